#include "tests/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/err.h"
#include "server/base/random.h"
#include "server/config.h"

#define MINIMUM \
	"hostname = \"mail.example.org\"\n" \
	"listener smtp {\n\tport = 25\n\tprotocol = smtp\n\ttls = none\n}\n"

/* Reads text as a file in a folder of its own; *name is the file's path. */
static struct config *
read_text(const char *text, char *name, struct buf *why)
{
	char dir[] = "/tmp/kingpost-config.XXXXXX";
	struct config *c;
	FILE *f;

	assert_non_null(mkdtemp(dir));
	(void)snprintf(name, 64, "%s/k.conf", dir);
	f = fopen(name, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	c = config_read(name, why);
	unlink(name);
	rmdir(dir);
	return c;
}

static void
check_refused(const char *text, unsigned line, const char *words)
{
	struct buf why = BUF_INIT;
	char name[64], place[96];
	struct config *c = read_text(text, name, &why);

	if (c)
		print_error("this was taken:\n%s\n", text);
	assert_null(c);
	if (line)
		(void)snprintf(place, sizeof place, "%s:%u: ", name, line);
	else
		(void)snprintf(place, sizeof place, "%s:", name);
	if (strncmp(why.p, place, strlen(place)) != 0 ||
	    !strstr(why.p, words)) {
		print_error("want %s...%s\n got %s\n", place, words, why.p);
		fail();
	}
	buf_release(&why);
}

TEST(test_minimum_has_the_documented_defaults)
{
	struct buf why = BUF_INIT;
	char name[64];
	struct config *c = read_text(MINIMUM, name, &why);

	assert_non_null(c);
	CHECK_STR(c->hostname, "mail.example.org");
	CHECK_EQ(c->size_limit, 50u << 20);
	CHECK_EQ(c->connections, 1024);
	CHECK_EQ(c->connections_pending, 20);
	CHECK_EQ(c->connections_minute, 60);
	CHECK_EQ(c->connections_account, 50);
	CHECK_EQ(c->recipients_inbound, 200);
	CHECK(!c->plaintext_loopback);
	CHECK_EQ(c->exempt_count, 2);
	CHECK_EQ(c->listener_count, 1);
	CHECK_EQ(c->listeners[0].address_count, 2);
	CHECK_EQ(c->listeners[0].port, 25);
	CHECK_STR(c->user, "kingpost");
	CHECK_EQ(c->argon2_memory, 19u << 20);
	config_free(c);
	buf_release(&why);
}

TEST(test_paths_count_from_the_file)
{
	struct buf why = BUF_INIT;
	char name[64], want[96];
	struct config *c = read_text(MINIMUM "data = \"mail\"\n"
	    "certificate a {\n\tchain = \"c.pem\"\n\tkey = \"/k.pem\"\n}\n",
	    name, &why);

	assert_non_null(c);
	(void)snprintf(want, sizeof want, "%s/mail", c->dir);
	CHECK_STR(c->data_dir, want);
	(void)snprintf(want, sizeof want, "%s/c.pem", c->dir);
	CHECK_STR(c->certificates[0].chain_path, want);
	CHECK_STR(c->certificates[0].key_path, "/k.pem");
	config_free(c);
	buf_release(&why);
}

TEST(test_errors_name_file_line_and_reason)
{
	check_refused(MINIMUM "colour = \"blue\"\n", 7, "colour");
	check_refused(MINIMUM "hostname = \"a b\"\n", 1, "hostname");
	check_refused(MINIMUM "size_limit = \"big\"\n", 7, "size_limit");
	check_refused(MINIMUM "size_limit = \"1K\"\n", 7, "out of range");
	check_refused(MINIMUM "plaintext_auth = always\n", 7,
	    "neither never nor loopback");
	check_refused(MINIMUM "readers = 99\n", 7, "readers");
	check_refused(MINIMUM "readers = many\n", 7, "readers");
	check_refused(MINIMUM "limits {\n\tconnections = 0\n}\n", 8,
	    "connections");
	check_refused(MINIMUM "limits {\n\texempt = {\"here\"}\n}\n", 8,
	    "exempt");
	check_refused(MINIMUM "log {\n\tlevel = loud\n}\n", 8, "level");
	check_refused(MINIMUM "listener x {\n\tprotocol = http\n"
	    "\tport = 80\n}\n", 7, "protocol");
	check_refused(MINIMUM "listener x {\n\tprotocol = imap\n}\n", 7,
	    "port");
	check_refused(MINIMUM "listener x {\n\taddress = {\"nowhere\"}\n"
	    "\tport = 1\n\tprotocol = imap\n}\n", 7, "nowhere");
	check_refused(MINIMUM "listener x {\n\tport = 1\n\tprotocol = imap\n"
	    "\ttls = maybe\n}\n", 7, "tls");
	check_refused(MINIMUM "listener x {\n\tport = 1\n\tprotocol = imap\n"
	    "}\n", 7, "no certificate section");
	check_refused(MINIMUM "certificate c {\n\tchain = \"x\"\n}\n", 7,
	    "chain and key");
	check_refused(MINIMUM "dns {\n\tforward = {\"dns.example\"}\n}\n",
	    8, "forward");
	check_refused(MINIMUM "dns {\n\tforward = {\"192.0.2.1@\"}\n}\n",
	    8, "forward");
	check_refused(MINIMUM "testing {\n\tsmtp_port = 0\n}\n", 8,
	    "smtp_port");
	check_refused("hostname = \"mail.example.org\"\n", 0, "no listener");
	check_refused("listener smtp {\n", 0, "");
}

TEST(test_the_world_outside_has_defaults)
{
	struct buf why = BUF_INIT;
	char name[64];
	struct config *c = read_text(MINIMUM, name, &why);

	assert_non_null(c);
	CHECK_STR(c->dns_trust_anchor, "/usr/share/dns/root.key");
	CHECK_EQ(c->dns_forward_count, 0);
	CHECK_STR(c->dns_root_hints, "");
	CHECK(!c->has_testing);
	CHECK_EQ(c->port_smtp, 25);
	CHECK_EQ(c->port_https, 443);
	config_free(c);
	c = read_text(MINIMUM "dns {\n\tforward = {\"192.0.2.1\", "
	    "\"2001:db8::1@5353\"}\n}\ntesting {\n\tsmtp_port = 2525\n}\n",
	    name, &why);
	assert_non_null(c);
	CHECK_EQ(c->dns_forward_count, 2);
	CHECK_STR(c->dns_forward[1], "2001:db8::1@5353");
	CHECK(c->has_testing);
	CHECK_EQ(c->testing_place.line, 10);
	CHECK_EQ(c->port_smtp, 2525);
	config_free(c);
	buf_release(&why);
}

TEST(test_a_title_that_begins_another_has_its_own_line)
{
	check_refused("hostname = \"a.example\"\n"
	    "listener smtp-2 {\n\tport = 26\n\tprotocol = smtp\n"
	    "\ttls = none\n}\n"
	    "listener smtp {\n\tport = 99999\n\tprotocol = smtp\n"
	    "\ttls = none\n}\n", 7, "listener smtp needs a port");
}

TEST(test_comments_do_not_move_the_line)
{
	check_refused("# one\n// two\n/" "* three,\n four # *" "/ # five\n"
	    MINIMUM "colour = 1 # blue\n", 11, "colour");
	check_refused("# listener x {\n" MINIMUM "postmaster = \"a#b//c\"\n"
	    "log { file = a//b#c }\n}\nlistener x {\n}\n", 11, "protocol");
	check_refused("# size_limit = 5\n" MINIMUM
	    "postmaster = \"\\\"# no comment\"\nsize_limit = big\n", 9,
	    "size_limit");
}

TEST(test_a_missing_file_is_named)
{
	struct buf why = BUF_INIT;

	assert_null(config_read("/nowhere/kingpost.conf", &why));
	assert_non_null(strstr(why.p, "/nowhere/kingpost.conf"));
	buf_release(&why);
}

TEST(test_sizes_are_read_with_units)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 }, { "1000", 1000 }, { "64K", 65536 },
		{ "64 KiB", 65536 }, { "1m", 1u << 20 }, { "2G", 2ull << 30 },
		{ "3MB", 3u << 20 },
	};
	static const char *const bad[] = {
		"", "K", "-1", "1x", "1KK", "99999999999999999999",
		"99999999999T", " 1", "1 K B",
	};
	uint64_t n;

	for (size_t i = 0; i < COUNT(good); i++) {
		CHECK_EQ(config_parse_size(good[i].text, &n), 0);
		CHECK_EQ(n, good[i].bytes);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_EQ(config_parse_size(bad[i], &n), ERR_SYNTAX);
}

TEST(test_routes_are_read)
{
	struct buf why = BUF_INIT;
	char name[64];
	struct config *c = read_text(MINIMUM
	    "route \"*\" {\n\thost = \"Relay.Example\"\n"
	    "\tuser = \"u\"\n\tpassword = \"p\"\n}\n"
	    "route \".b\xc3\xbc" "cher.example\" {\n\ttls = \"dane\"\n}\n"
	    "route \"a.example\" {\n\thost = \"[192.0.2.1]\"\n"
	    "\tport = 26\n\ttls = \"never\"\n}\n"
	    "fallback {\n\thost = \"last.example\"\n"
	    "\timplicit_tls = true\n}\n", name, &why);

	assert_non_null(c);
	CHECK_EQ(c->route_count, 3);
	CHECK_STR(c->routes[0].via->host, "relay.example");
	CHECK_STR(c->routes[0].via->password, "p");
	CHECK_EQ(c->routes[0].via->tls, ROUTE_TLS_VERIFY);
	CHECK_STR(c->routes[1].domain, ".xn--bcher-kva.example");
	CHECK(c->routes[1].has_tls && !c->routes[1].via);
	CHECK_EQ(c->routes[1].tls, ROUTE_TLS_DANE);
	CHECK_EQ(c->routes[2].via->port, 26);
	CHECK_EQ(c->routes[2].via->tls, ROUTE_TLS_NEVER);
	CHECK(c->fallback->is_implicit_tls);
	CHECK_EQ(c->fallback->tls, ROUTE_TLS_VERIFY);
	config_free(c);
	c = read_text(MINIMUM, name, &why);
	CHECK_EQ(c->route_count, 0);
	CHECK(!c->fallback);
	config_free(c);
	buf_release(&why);
}

TEST(test_routes_that_mean_nothing_are_refused)
{
	check_refused(MINIMUM "route \"a b\" {\n\ttls = \"may\"\n}\n", 7,
	    "route a b: its name is a domain");
	check_refused(MINIMUM "route \"*\" {\n\ttls = \"yes\"\n}\n", 7,
	    "none of never, may");
	check_refused(MINIMUM "route \"*\" {\n\thost = \"a b\"\n}\n", 7,
	    "is no host name");
	check_refused(MINIMUM "route \"*\" {\n\thost = \"a\"\n"
	    "\tuser = \"u\"\n}\n", 7, "user and password go together");
	check_refused(MINIMUM "route \"*\" {\n\thost = \"a\"\n"
	    "\tuser = \"u\"\n\tpassword = \"p\"\n\ttls = \"may\"\n}\n", 7,
	    "a password wants tls");
	check_refused(MINIMUM "route \"*\" {\n\tport = 26\n}\n", 7,
	    "without a host");
	check_refused(MINIMUM "route \"*\" {\n\thost = \"a\"\n"
	    "\timplicit_tls = true\n\ttls = \"may\"\n}\n", 7,
	    "implicit_tls needs");
	check_refused(MINIMUM "fallback {\n\thost = \"a\"\n"
	    "\tport = 70000\n}\n", 7, "fallback: port is from 1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_minimum_has_the_documented_defaults),
		cmocka_unit_test(test_the_world_outside_has_defaults),
		cmocka_unit_test(test_paths_count_from_the_file),
		cmocka_unit_test(test_errors_name_file_line_and_reason),
		cmocka_unit_test(
		    test_a_title_that_begins_another_has_its_own_line),
		cmocka_unit_test(test_comments_do_not_move_the_line),
		cmocka_unit_test(test_a_missing_file_is_named),
		cmocka_unit_test(test_sizes_are_read_with_units),
		cmocka_unit_test(test_routes_are_read),
		cmocka_unit_test(test_routes_that_mean_nothing_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
