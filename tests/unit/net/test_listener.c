#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/base/err.h"
#include "tests/unit/net/fixture.h"

#define CROWD 40

static void
connect_and_wait(struct world *w, struct client *c, const char *text)
{
	client_connect(w, c);
	UNTIL(w, client_has(c, text));
}

TEST(test_listener_says_why_it_cannot_bind)
{
	struct buf why = BUF_INIT;
	int fd = listener_bind("127.0.0.1", 0, &why), other;

	CHECK(fd >= 0);
	CHECK(listener_port(fd) != 0);
	other = listener_bind("127.0.0.1", listener_port(fd), &why);
	CHECK_EQ(other, ERR_INUSE);
	CHECK(strstr(why.p, "127.0.0.1"));
	buf_clear(&why);
	CHECK_EQ(listener_bind("localhost", 0, &why), ERR_CONFIG);
	CHECK(strstr(why.p, "localhost"));
	CHECK_EQ(listener_bind("192.0.2.1", 0, &why), ERR_IO);
	CHECK_EQ(close(fd), 0);
	buf_release(&why);
}

TEST(test_listener_keeps_ipv6_to_itself)
{
	struct buf why = BUF_INIT;
	int six = listener_bind("::", 0, &why), four;

	if (six < 0)
		skip();		/* no IPv6 here */
	four = listener_bind("0.0.0.0", listener_port(six), &why);
	CHECK(four >= 0);
	CHECK_EQ(close(six), 0);
	CHECK_EQ(close(four), 0);
	buf_release(&why);
}

TEST(test_listener_tells_one_too_many_to_go)
{
	struct world w;
	struct client a, b, c;

	world_init(&w);
	w.limits.set.pending = 2;
	world_listen(&w, SERVICE_PLAIN);
	connect_and_wait(&w, &a, "hello\r\n");
	connect_and_wait(&w, &b, "hello\r\n");
	connect_and_wait(&w, &c, "busy\r\n");
	UNTIL(&w, (client_read(&c, SIZE_MAX), c.has_ended));
	CHECK_STR(c.in.p, "busy\r\n");
	CHECK_EQ(STAT_GET(&w.stats, connections_refused), 1);
	client_close(&c);
	client_says(&w, &a, "LOGIN 5\r\n");
	UNTIL(&w, client_has(&a, "in\r\n"));
	connect_and_wait(&w, &c, "hello\r\n");
	client_close(&a);
	client_close(&b);
	client_close(&c);
	world_release(&w);
}

/* Lines of refusals, and the last of them. */
static unsigned refusals;
static char last_refusal[200];

static void
count_refusals(struct log *l, enum log_level level, struct span line)
{
	char text[sizeof last_refusal];

	(void)l;
	(void)level;
	snprintf(text, sizeof text, "%.*s", (int)line.len, line.p);
	if (!strstr(text, " refused "))
		return;
	refusals++;
	memcpy(last_refusal, text, sizeof text);
}

TEST(test_listener_logs_the_first_refusals_and_counts_the_others)
{
	struct world w;
	struct client one, many[25];

	world_init(&w);
	w.log.sink = count_refusals;
	w.limits.set.pending = 1;
	world_listen(&w, SERVICE_PLAIN);
	connect_and_wait(&w, &one, "hello\r\n");
	for (size_t i = 0; i < COUNT(many); i++)
		connect_and_wait(&w, &many[i], "busy\r\n");
	CHECK_EQ(STAT_GET(&w.stats, connections_refused), COUNT(many));
	CHECK_EQ(refusals, 10);
	for (size_t i = 0; i < COUNT(many); i++)
		client_close(&many[i]);
	client_close(&one);
	world_release(&w);
	CHECK_EQ(refusals, 11);
	CHECK(strstr(last_refusal, "of 15 more"));
}

TEST(test_listener_stops_one_login_too_many)
{
	struct world w;
	struct client a, b;

	world_init(&w);
	w.limits.set.account = 1;
	world_listen(&w, SERVICE_PLAIN);
	connect_and_wait(&w, &a, "hello\r\n");
	connect_and_wait(&w, &b, "hello\r\n");
	client_says(&w, &a, "LOGIN 5\r\n");
	UNTIL(&w, client_has(&a, "in\r\n"));
	client_says(&w, &b, "LOGIN 5\r\n");
	UNTIL(&w, client_has(&b, "overload\r\n"));
	client_says(&w, &a, "ECHO still\r\n");
	UNTIL(&w, client_has(&a, "still\r\n"));
	client_close(&a);
	client_close(&b);
	world_release(&w);
}

/* Uses up descriptors until fewer than leave are free. */
static int
use_up(int *fds, int max, struct rlimit *old)
{
	struct rlimit few;
	int count = 0, fd;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, old), 0);
	few = *old;
	few.rlim_cur = 128;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (count < max && (fd = open("/dev/null", O_RDONLY)) >= 0)
		fds[count++] = fd;
	return count;
}

TEST(test_listener_survives_having_no_descriptors)
{
	int fds[256], count;
	struct client crowd[CROWD], c;
	struct rlimit old;
	struct world w;
	unsigned ended = 0;

	world_init(&w);
	world_listen(&w, SERVICE_PLAIN);
	for (int i = 0; i < CROWD; i++)
		client_connect(&w, &crowd[i]);
	count = use_up(fds, 256, &old);
	CHECK(count > 0);
	/* Nobody can be served; all are closed and none is left hanging. */
	while (ended < CROWD) {
		world_round(&w);
		ended = 0;
		for (int i = 0; i < CROWD; i++) {
			client_read(&crowd[i], SIZE_MAX);
			ended += crowd[i].has_ended;
		}
	}
	CHECK_EQ(w.started, 0);
	for (int i = 0; i < count; i++)
		CHECK_EQ(close(fds[i]), 0);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
	connect_and_wait(&w, &c, "hello\r\n");
	client_close(&c);
	for (int i = 0; i < CROWD; i++)
		client_close(&crowd[i]);
	world_release(&w);
}

static bool
admit_me(const struct service *s, const struct conn_cred *cred)
{
	(void)s;
	return cred->uid == getuid() && cred->pid == getpid();
}

static bool
admit_nobody(const struct service *s, const struct conn_cred *cred)
{
	(void)s;
	(void)cred;
	return false;
}

static int
local_connect(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	CHECK(fd >= 0);
	(void)snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
	CHECK_EQ(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
	return fd;
}

TEST(test_listener_serves_a_local_socket_by_credentials)
{
	char dir[] = "/tmp/net-test-XXXXXX", path[64];
	struct buf why = BUF_INIT;
	struct client c = { 0 };
	struct stat st;
	struct world w;
	int dir_fd, fd;

	world_init(&w);
	w.limits.set.total = 1;
	CHECK(mkdtemp(dir) != NULL);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
	CHECK(dir_fd >= 0);
	/* One left behind by an earlier run is no obstacle. */
	fd = listener_bind_local(dir_fd, "control.sock", &why);
	CHECK(fd >= 0);
	CHECK_EQ(close(fd), 0);
	fd = listener_bind_local(dir_fd, "control.sock", &why);
	CHECK(fd >= 0);
	CHECK_EQ(fstatat(dir_fd, "control.sock", &st, 0), 0);
	CHECK_EQ(st.st_mode & 0777, 0600);
	w.service.admit = admit_me;
	w.listener = listener_start(w.loop, &w.env, fd, &w.service,
	    &w.limits);
	(void)snprintf(path, sizeof path, "%s/control.sock", dir);
	c.fd = local_connect(path);
	buf_init(&c.in);
	client_says(&w, &c, "PEER\r\n");
	UNTIL(&w, client_has(&c, "peer addr=local"));
	CHECK_EQ(w.limits.count, 0);
	client_close(&c);
	UNTIL(&w, w.ended == 1);
	w.service.admit = admit_nobody;
	c.fd = local_connect(path);
	UNTIL(&w, (client_read(&c, SIZE_MAX), c.has_ended));
	CHECK_EQ(w.started, 1);
	client_close(&c);
	world_release(&w);
	CHECK_EQ(unlinkat(dir_fd, "control.sock", 0), 0);
	CHECK_EQ(close(dir_fd), 0);
	CHECK_EQ(rmdir(dir), 0);
	buf_release(&why);
}

TEST(test_listener_stops_while_connections_go_on)
{
	struct world w;
	struct client c;

	world_init(&w);
	world_listen(&w, SERVICE_PLAIN);
	connect_and_wait(&w, &c, "hello\r\n");
	listener_stop(w.listener);
	w.listener = NULL;
	client_says(&w, &c, "ECHO on\r\n");
	UNTIL(&w, client_has(&c, "on\r\n"));
	client_close(&c);
	world_release(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listener_says_why_it_cannot_bind),
		cmocka_unit_test(test_listener_keeps_ipv6_to_itself),
		cmocka_unit_test(test_listener_tells_one_too_many_to_go),
		cmocka_unit_test(
		    test_listener_logs_the_first_refusals_and_counts_the_others),
		cmocka_unit_test(test_listener_stops_one_login_too_many),
		cmocka_unit_test(test_listener_survives_having_no_descriptors),
		cmocka_unit_test(
		    test_listener_serves_a_local_socket_by_credentials),
		cmocka_unit_test(
		    test_listener_stops_while_connections_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
