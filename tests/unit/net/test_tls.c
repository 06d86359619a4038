#include "server/net/tls.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/err.h"
#include "tests/check.h"
#include "tests/unit/net/pem.h"

/* A server and what a client needs to trust it. */
struct side {
	struct certset *certs;
	struct tls_config *cfg;
	struct buf pem;
};

/* Two ends of one connection, joined by copying bytes. */
struct pair {
	struct tls *server, *client;
};

static int64_t
now_s(void)
{
	return clock_system()->wall_s(clock_system());
}

static void
side_init(struct side *s, const char *alpn, const char *const *names,
    size_t count)
{
	struct buf key = BUF_INIT, why = BUF_INIT;

	CHECK_EQ(base_random_start(), 0);
	*s = (struct side){ .pem = BUF_INIT };
	s->certs = certset_new(random_system());
	for (size_t i = 0; i < count; i++) {
		buf_clear(&key);
		buf_clear(&s->pem);
		CHECK_EQ(cert_make_self_signed(random_system(), names + i, 1,
		    now_s(), 90, &s->pem, &key), 0);
		CHECK_EQ(certset_add(s->certs, names[i], buf_span(&s->pem),
		    buf_span(&key), &why), 0);
	}
	s->cfg = tls_config_new_server(s->certs, alpn, random_system(), &why);
	CHECK(s->cfg != NULL);
	buf_release(&key);
	buf_release(&why);
}

static void
side_release(struct side *s)
{
	tls_config_unref(s->cfg);
	certset_unref(s->certs);
	buf_release(&s->pem);
}

static struct tls_config *
client_config(const char *alpn, struct span ca)
{
	struct buf why = BUF_INIT;
	struct tls_config *cfg = tls_config_new_client(alpn, ca,
	    random_system(), &why);

	CHECK(cfg != NULL);
	buf_release(&why);
	return cfg;
}

/* Moves what from has to say, chunk bytes at a time. */
static void
carry(struct tls *from, struct tls *to, size_t chunk)
{
	struct buf *out = tls_cipher_out(from);
	size_t n = MIN(chunk, out->len);

	buf_add(tls_cipher_in(to), out->p, n);
	buf_consume(out, n);
}

/* Whether both ends made it. */
static bool
shake(struct pair *p, size_t chunk)
{
	enum tls_result s = TLS_MORE, c = TLS_MORE;

	for (int i = 0; i < 100000; i++) {
		if (c == TLS_MORE)
			c = tls_handshake(p->client);
		carry(p->client, p->server, chunk);
		if (s == TLS_MORE)
			s = tls_handshake(p->server);
		carry(p->server, p->client, chunk);
		if ((s == TLS_DONE && c == TLS_DONE) || s == TLS_FAILED ||
		    c == TLS_FAILED)
			break;
	}
	return s == TLS_DONE && c == TLS_DONE;
}

static void
pair_init(struct pair *p, struct tls_config *server,
    struct tls_config *client, const char *name)
{
	p->server = tls_new(server, NULL);
	p->client = tls_new(client, name);
	CHECK(p->server && p->client);
}

static void
pair_release(struct pair *p)
{
	tls_free(p->server);
	tls_free(p->client);
}

static const char *const one_name[] = { "mail.example.test" };

/* Sends len bytes and checks that they arrive, whatever the pieces. */
static void
check_transfer(struct tls *from, struct tls *to, size_t len, size_t chunk)
{
	struct buf sent = BUF_INIT, got = BUF_INIT;
	size_t used = 0;
	char p[5000];

	for (size_t i = 0; i < len; i++)
		buf_addc(&sent, (char)(i * 7 + i / 251));
	while (got.len < len) {
		int n;

		if (used < len) {
			n = tls_write(from, sent.p + used, len - used);
			CHECK(n > 0);
			used += (size_t)n;
		}
		while (tls_cipher_out(from)->len > 0) {
			carry(from, to, chunk);
			while ((n = tls_read(to, p, sizeof p)) > 0)
				buf_add(&got, p, (size_t)n);
			CHECK_EQ(n, 0);
		}
	}
	CHECK_EQ(got.len, len);
	CHECK_EQ(memcmp(got.p, sent.p, len), 0);
	CHECK(!tls_has_plain(to));
	buf_release(&sent);
	buf_release(&got);
}

TEST(test_tls_carries_bytes_both_ways_however_they_are_cut)
{
	static const size_t chunks[] = { 1, 3, 1000, 100000 };
	struct side s;

	side_init(&s, NULL, one_name, 1);
	for (size_t i = 0; i < COUNT(chunks); i++) {
		struct tls_config *c = client_config(NULL, buf_span(&s.pem));
		struct pair p;

		pair_init(&p, s.cfg, c, "mail.example.test");
		CHECK(shake(&p, chunks[i]));
		check_transfer(p.client, p.server, 50000, chunks[i]);
		check_transfer(p.server, p.client, 70000, chunks[i]);
		pair_release(&p);
		tls_config_unref(c);
	}
	side_release(&s);
}

TEST(test_tls_tells_the_end_from_an_error)
{
	struct side s;
	struct tls_config *c;
	struct pair p;
	char b[16];

	side_init(&s, NULL, one_name, 1);
	c = client_config(NULL, (struct span){ 0 });
	pair_init(&p, s.cfg, c, NULL);
	CHECK(shake(&p, SIZE_MAX));
	CHECK_EQ(tls_read(p.server, b, sizeof b), 0);
	tls_close(p.client);
	carry(p.client, p.server, SIZE_MAX);
	CHECK_EQ(tls_read(p.server, b, sizeof b), ERR_CLOSED);
	CHECK_STR(tls_error(p.server), "");
	pair_release(&p);

	pair_init(&p, s.cfg, c, NULL);
	CHECK(shake(&p, SIZE_MAX));
	/* What the server says after its handshake is not tampered with. */
	carry(p.server, p.client, SIZE_MAX);
	CHECK(tls_write(p.server, "secret", 6) == 6);
	tls_cipher_out(p.server)->p[tls_cipher_out(p.server)->len - 1] ^= 1;
	carry(p.server, p.client, SIZE_MAX);
	CHECK_EQ(tls_read(p.client, b, sizeof b), ERR_TLS);
	CHECK_EQ(tls_read(p.client, b, sizeof b), ERR_TLS);
	CHECK(strlen(tls_error(p.client)) > 0);
	pair_release(&p);
	tls_config_unref(c);
	side_release(&s);
}

static bool
alpn_works(const char *server, const char *client)
{
	struct tls_config *c = client_config(client, (struct span){ 0 });
	struct side s;
	struct pair p;
	bool works;

	side_init(&s, server, one_name, 1);
	pair_init(&p, s.cfg, c, NULL);
	works = shake(&p, SIZE_MAX);
	pair_release(&p);
	side_release(&s);
	tls_config_unref(c);
	return works;
}

/* RFC 7301 section 3.2 */
TEST(test_tls_refuses_another_protocol_by_alpn)
{
	CHECK(alpn_works("imap", "imap"));
	CHECK(alpn_works("imap", NULL));
	CHECK(alpn_works(NULL, "imap"));
	CHECK(!alpn_works("imap", "http/1.1"));
	CHECK(!alpn_works("imap", "pop3"));
}

TEST(test_tls_verifies_the_name_when_there_is_a_ca)
{
	struct side s;
	struct tls_config *c;
	struct pair p;

	side_init(&s, NULL, one_name, 1);
	c = client_config(NULL, buf_span(&s.pem));
	pair_init(&p, s.cfg, c, "mail.example.test");
	CHECK(shake(&p, SIZE_MAX));
	pair_release(&p);
	pair_init(&p, s.cfg, c, "other.example.test");
	CHECK(!shake(&p, SIZE_MAX));
	pair_release(&p);
	tls_config_unref(c);
	side_release(&s);
}

TEST(test_tls_shows_the_certificate_of_the_server_name)
{
	static const char *const names[] = { "a.example.test",
	    "b.example.test", "c.example.test" };
	struct side s;
	struct tls_config *c;
	struct peer peer = { 0 };
	struct pair p;

	side_init(&s, NULL, names, 3);
	/* The client trusts the last one only. */
	c = client_config(NULL, buf_span(&s.pem));
	pair_init(&p, s.cfg, c, "c.example.test");
	CHECK(shake(&p, SIZE_MAX));
	tls_fill_peer(p.server, &peer);
	CHECK_STR(peer.sni, "c.example.test");
	CHECK_EQ(peer.endpoint_len, 32);
	CHECK_EQ(memcmp(peer.endpoint, certset_info(s.certs, 2)->endpoint,
	    32), 0);
	pair_release(&p);
	pair_init(&p, s.cfg, c, "b.example.test");
	CHECK(!shake(&p, SIZE_MAX));
	pair_release(&p);
	tls_config_unref(c);
	side_release(&s);
}

TEST(test_tls_fills_the_peer)
{
	struct peer server = { 0 }, client = { 0 };
	struct tls_config *c;
	struct side s;
	struct pair p;

	side_init(&s, "smtp", one_name, 1);
	c = client_config("smtp", (struct span){ 0 });
	pair_init(&p, s.cfg, c, NULL);
	CHECK(shake(&p, SIZE_MAX));
	tls_fill_peer(p.server, &server);
	tls_fill_peer(p.client, &client);
	CHECK(server.has_tls);
	CHECK(strstr(server.tls_cipher, "CHACHA20-POLY1305"));
	CHECK_STR(server.tls_cipher, client.tls_cipher);
	CHECK_STR(server.tls_version, client.tls_version);
	CHECK_STR(server.sni, "");
	CHECK_EQ(client.endpoint_len, 0);
	/* RFC 9266: both ends know the same secret, with TLS 1.3. */
	if (strcmp(server.tls_version, "TLSv1.3") == 0) {
		CHECK_EQ(server.exporter_len, 32);
		CHECK_EQ(client.exporter_len, 32);
		CHECK_EQ(memcmp(server.exporter, client.exporter, 32), 0);
	} else {
		CHECK_STR(server.tls_version, "TLSv1.2");
		CHECK_EQ(server.exporter_len, 0);
	}
	pair_release(&p);
	tls_config_unref(c);
	side_release(&s);
}

TEST(test_tls_serves_an_rsa_certificate)
{
	struct certset *set;
	struct tls_config *s, *c;
	struct buf why = BUF_INIT;
	struct peer peer = { 0 };
	struct pair p;

	CHECK_EQ(base_random_start(), 0);
	set = certset_new(random_system());
	CHECK_EQ(certset_add(set, "rsa", span_of(PEM_RSA_CRT),
	    span_of(PEM_RSA_KEY), &why), 0);
	s = tls_config_new_server(set, NULL, random_system(), &why);
	c = client_config(NULL, (struct span){ 0 });
	pair_init(&p, s, c, NULL);
	CHECK(shake(&p, SIZE_MAX));
	tls_fill_peer(p.server, &peer);
	CHECK_EQ(memcmp(peer.endpoint, certset_info(set, 0)->endpoint, 32),
	    0);
	pair_release(&p);
	/* The config keeps the set, the connection would keep the config. */
	certset_unref(set);
	pair_init(&p, s, c, NULL);
	tls_config_unref(s);
	CHECK(shake(&p, SIZE_MAX));
	pair_release(&p);
	tls_config_unref(c);
	buf_release(&why);
}

TEST(test_tls_needs_a_certificate)
{
	struct buf why = BUF_INIT;
	struct certset *set;

	CHECK_EQ(base_random_start(), 0);
	set = certset_new(random_system());
	CHECK(tls_config_new_server(set, NULL, random_system(), &why) ==
	    NULL);
	CHECK(why.len > 0);
	certset_unref(set);
	buf_release(&why);
}

TEST(test_tls_fails_on_what_is_no_record)
{
	static const struct span junk[] = {
		SPAN("GET / HTTP/1.1\r\n\r\n"),
		SPAN("EHLO client.example\r\n"),
		SPAN("\x16\x03\x01\xff\xff too long"),
		SPAN("\x80\x2e\x01\x00\x02"),
	};
	struct side s;

	side_init(&s, NULL, one_name, 1);
	for (size_t i = 0; i < COUNT(junk); i++) {
		struct tls *t = tls_new(s.cfg, NULL);

		buf_addspan(tls_cipher_in(t), junk[i]);
		CHECK(tls_has_record(t));
		CHECK_EQ(tls_handshake(t), TLS_FAILED);
		CHECK_EQ(tls_handshake(t), TLS_FAILED);
		CHECK(strlen(tls_error(t)) > 0);
		tls_free(t);
	}
	side_release(&s);
}

TEST(test_tls_waits_for_a_whole_record)
{
	struct tls_config *c;
	struct side s;
	struct pair p;
	struct buf *out;

	side_init(&s, NULL, one_name, 1);
	c = client_config(NULL, (struct span){ 0 });
	pair_init(&p, s.cfg, c, NULL);
	CHECK_EQ(tls_handshake(p.client), TLS_MORE);
	out = tls_cipher_out(p.client);
	while (out->len > 1) {
		carry(p.client, p.server, 1);
		CHECK(!tls_has_record(p.server));
	}
	carry(p.client, p.server, 1);
	CHECK(tls_has_record(p.server));
	pair_release(&p);
	tls_config_unref(c);
	side_release(&s);
}

/* What workers share must bear it; run under a thread checker as well. */
static void *
many_handshakes(void *arg)
{
	struct tls_config **cfgs = arg;

	for (int i = 0; i < 20; i++) {
		struct pair p;

		pair_init(&p, cfgs[0], cfgs[1], "mail.example.test");
		assert_true(shake(&p, SIZE_MAX));
		pair_release(&p);
	}
	return NULL;
}

TEST(test_tls_handshakes_run_on_several_threads)
{
	struct tls_config *cfgs[2];
	pthread_t threads[4];
	struct side s;

	side_init(&s, "imap", one_name, 1);
	cfgs[0] = s.cfg;
	cfgs[1] = client_config("imap", buf_span(&s.pem));
	for (size_t i = 0; i < COUNT(threads); i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, many_handshakes,
		    cfgs), 0);
	for (size_t i = 0; i < COUNT(threads); i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	tls_config_unref(cfgs[1]);
	side_release(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_tls_carries_bytes_both_ways_however_they_are_cut),
		cmocka_unit_test(test_tls_tells_the_end_from_an_error),
		cmocka_unit_test(test_tls_refuses_another_protocol_by_alpn),
		cmocka_unit_test(
		    test_tls_verifies_the_name_when_there_is_a_ca),
		cmocka_unit_test(
		    test_tls_shows_the_certificate_of_the_server_name),
		cmocka_unit_test(test_tls_fills_the_peer),
		cmocka_unit_test(test_tls_serves_an_rsa_certificate),
		cmocka_unit_test(test_tls_needs_a_certificate),
		cmocka_unit_test(test_tls_fails_on_what_is_no_record),
		cmocka_unit_test(test_tls_waits_for_a_whole_record),
		cmocka_unit_test(test_tls_handshakes_run_on_several_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
