#include <netinet/in.h>
#include <sys/socket.h>

#include <string.h>

#include "server/base/err.h"
#include "server/net/deflate.h"
#include "tests/unit/net/fixture.h"

#define MEGABYTE (1024u * 1024)

static void
start(struct world *w, struct client *c, enum service_tls mode)
{
	world_init(w);
	world_listen(w, mode);
	client_connect(w, c);
	if (mode == SERVICE_IMPLICIT)
		CHECK(client_start_tls(w, c, "mail.example.test"));
	UNTIL(w, client_has(c, "hello\r\n"));
	buf_clear(&c->in);
}

static void
finish(struct world *w, struct client *c)
{
	client_close(c);
	world_release(w);
}

TEST(test_conn_answers_pipelined_commands_in_order)
{
	struct world w;
	struct client c;

	start(&w, &c, SERVICE_PLAIN);
	client_says(&w, &c, "ECHO a\r\nWAIT\r\nECHO b\r\nECHO c\r\nQUIT\r\n"
	    "ECHO never\r\n");
	UNTIL(&w, client_has(&c, "bye\r\n") && c.has_ended);
	CHECK_STR(c.in.p, "a\r\nwaited\r\nb\r\nc\r\nbye\r\n");
	CHECK_EQ(w.op_homes, 1);
	finish(&w, &c);
}

TEST(test_conn_takes_a_command_byte_by_byte)
{
	static const char line[] = "ECHO slowly\r\n";
	struct world w;
	struct client c;

	start(&w, &c, SERVICE_IMPLICIT);
	for (size_t i = 0; i < sizeof line - 1; i++) {
		(void)client_send(&w, &c, line + i, 1);
		world_round(&w);
	}
	UNTIL(&w, client_has(&c, "slowly\r\n"));
	CHECK_STR(c.in.p, "slowly\r\n");
	finish(&w, &c);
}

/* RFC 3207 section 4.2 */
TEST(test_conn_drops_plaintext_sent_behind_starttls)
{
	struct world w;
	struct client c;

	start(&w, &c, SERVICE_STARTTLS);
	client_says(&w, &c, "STARTTLS\r\nECHO injected\r\nECHO inj");
	UNTIL(&w, client_has(&c, "go\r\n"));
	CHECK(client_start_tls(&w, &c, NULL));
	UNTIL(&w, w.secured == 1);
	client_says(&w, &c, "ECHO mine\r\n");
	UNTIL(&w, client_has(&c, "mine\r\n"));
	CHECK_STR(c.in.p, "go\r\nmine\r\n");
	finish(&w, &c);
}

TEST(test_conn_fills_the_peer)
{
	struct world w;
	struct client c;

	start(&w, &c, SERVICE_IMPLICIT);
	client_says(&w, &c, "PEER\r\n");
	UNTIL(&w, client_has(&c, "\r\n"));
	CHECK(strstr(c.in.p, "addr=127.0.0.1 loop=1 tls=TLSv1."));
	CHECK(strstr(c.in.p, "sni=mail.example.test"));
	CHECK(!strstr(c.in.p, "endpoint=\r"));
	finish(&w, &c);
}

static void
check_big(enum service_tls mode)
{
	struct world w;
	struct client c;
	size_t want = 5 * MEGABYTE;

	start(&w, &c, mode);
	client_says(&w, &c, "BIG 5242880\r\nECHO after\r\n");
	UNTIL(&w, client_has(&c, "after\r\n"));
	CHECK_EQ(c.in.len, want + strlen("end\r\nafter\r\n"));
	CHECK(strspn(c.in.p, "x") == want);
	CHECK(w.max_out <= SESSION_OUT_HIGH + 2 * 64 * 1024);
	finish(&w, &c);
}

TEST(test_conn_sends_megabytes_in_the_clear)
{
	check_big(SERVICE_PLAIN);
}

TEST(test_conn_sends_megabytes_through_tls)
{
	check_big(SERVICE_IMPLICIT);
}

/* ---- compression (RFC 4978) ---- */

struct layer {
	struct deflater *out;
	struct inflater *in;
	struct buf text;		/* what has been inflated */
};

static void
layer_start(struct world *w, struct client *c, struct layer *l,
    enum service_tls mode)
{
	start(w, c, mode);
	client_says(w, c, "LOGIN 1\r\nDEFLATE\r\n");
	UNTIL(w, client_has(c, "ok\r\n"));
	CHECK_STR(c->in.p, "in\r\nok\r\n");
	buf_clear(&c->in);
	l->out = deflater_new();
	l->in = inflater_new();
	buf_init(&l->text);
}

static void
layer_finish(struct world *w, struct client *c, struct layer *l)
{
	deflater_free(l->out);
	inflater_free(l->in);
	buf_release(&l->text);
	finish(w, c);
}

static void
layer_says(struct world *w, struct client *c, struct layer *l,
    const char *text)
{
	struct buf b = BUF_INIT;

	deflater_add(l->out, &b, text, strlen(text));
	(void)client_send(w, c, b.p, b.len);
	buf_release(&b);
}

/* Whether the server has said this by now, under compression. */
static bool
layer_has(struct client *c, struct layer *l, const char *text)
{
	char p[4096];
	int n;

	client_read(c, SIZE_MAX);
	buf_addspan(inflater_in(l->in), buf_span(&c->in));
	buf_clear(&c->in);
	while ((n = inflater_read(l->in, p, sizeof p)) > 0)
		buf_add(&l->text, p, (size_t)n);
	CHECK_EQ(n, 0);
	return strstr(l->text.p, text) != NULL;
}

static void
check_deflate(enum service_tls mode)
{
	struct world w;
	struct client c;
	struct layer l;
	struct buf b = BUF_INIT;

	layer_start(&w, &c, &l, mode);
	/* Each answer is flushed: nothing more comes, and it is there. */
	layer_says(&w, &c, &l, "ECHO one\r\n");
	UNTIL(&w, layer_has(&c, &l, "one\r\n"));
	/* In pieces, and a command in two of them. */
	deflater_add(l.out, &b, "WAIT\r\nECHO t", 12);
	deflater_add(l.out, &b, "wo\r\nBIG 3000000\r\n", 17);
	for (size_t i = 0; i < b.len; i++) {
		(void)client_send(&w, &c, b.p + i, 1);
		world_round(&w);
	}
	UNTIL(&w, layer_has(&c, &l, "end\r\n"));
	CHECK(span_starts(buf_span(&l.text), "one\r\nwaited\r\ntwo\r\nxx"));
	CHECK_EQ(l.text.len, 5 + 8 + 5 + 3000000 + 5);
	buf_release(&b);
	layer_finish(&w, &c, &l);
}

TEST(test_conn_compresses_in_the_clear)
{
	check_deflate(SERVICE_PLAIN);
}

TEST(test_conn_compresses_under_tls)
{
	check_deflate(SERVICE_IMPLICIT);
}

/* RFC 8437 section 4.1: the layer ends, and what follows is plain. */
TEST(test_conn_stops_compressing)
{
	struct world w;
	struct client c;
	struct layer l;
	struct buf b = BUF_INIT;

	layer_start(&w, &c, &l, SERVICE_PLAIN);
	deflater_add(l.out, &b, "ECHO packed\r\nPLAIN\r\n", 20);
	buf_adds(&b, "ECHO plain\r\n");
	(void)client_send(&w, &c, b.p, b.len);
	UNTIL(&w, client_has(&c, "plain\r\n"));
	CHECK(memcmp(c.in.p + c.in.len - 7, "plain\r\n", 7) == 0);
	buf_truncate(&c.in, c.in.len - 7);
	CHECK(layer_has(&c, &l, "ok\r\n"));
	CHECK_STR(l.text.p, "packed\r\nok\r\n");
	/* And on again, with nothing remembered. */
	client_says(&w, &c, "DEFLATE\r\n");
	UNTIL(&w, client_has(&c, "ok\r\n"));
	buf_clear(&c.in);
	inflater_free(l.in);
	l.in = inflater_new();
	layer_says(&w, &c, &l, "ECHO again\r\n");
	UNTIL(&w, layer_has(&c, &l, "again\r\n"));
	buf_release(&b);
	layer_finish(&w, &c, &l);
}

/* Little that inflates to a lot is let in as fast as it is used up. */
TEST(test_conn_inflates_no_more_than_its_input_holds)
{
	struct world w;
	struct client c;
	struct layer l;
	struct buf b = BUF_INIT;

	layer_start(&w, &c, &l, SERVICE_PLAIN);
	for (int i = 0; i < 60; i++) {
		buf_adds(&b, "EAT 60000\r\n");
		for (int k = 0; k < 6000; k++)
			buf_adds(&b, "0000000000");
	}
	buf_adds(&b, "ECHO whole\r\n");
	layer_says(&w, &c, &l, b.p);
	UNTIL(&w, layer_has(&c, &l, "whole\r\n"));
	CHECK(w.max_input <= CONN_INPUT_MAX);
	/* A line without an end ends the connection as ever. */
	buf_clear(&b);
	while (b.len < 100000)
		buf_addc(&b, 'x');
	layer_says(&w, &c, &l, b.p);
	UNTIL(&w, layer_has(&c, &l, "never") || c.has_ended);
	CHECK(w.max_input <= CONN_INPUT_MAX);
	buf_release(&b);
	layer_finish(&w, &c, &l);
}

TEST(test_conn_ends_at_what_is_not_compressed)
{
	struct world w;
	struct client c;
	struct layer l;

	layer_start(&w, &c, &l, SERVICE_PLAIN);
	layer_says(&w, &c, &l, "ECHO good\r\n");
	client_says(&w, &c, "\x07 NOOP\r\n");
	UNTIL(&w, layer_has(&c, &l, "never") || c.has_ended);
	CHECK(layer_has(&c, &l, "good\r\n"));
	layer_finish(&w, &c, &l);
}

static void
check_upload(enum service_tls mode)
{
	struct world w;
	struct client c;
	struct buf b = BUF_INIT;

	start(&w, &c, mode);
	client_says(&w, &c, "LOGIN 1\r\n");
	UNTIL(&w, client_has(&c, "in\r\n"));
	buf_clear(&c.in);
	for (int i = 0; i < 40; i++) {
		buf_adds(&b, "EAT 60000\r\n");
		for (int k = 0; k < 6000; k++)
			buf_adds(&b, "0123456789");
	}
	buf_adds(&b, "ECHO whole\r\n");
	(void)client_send(&w, &c, b.p, b.len);
	UNTIL(&w, client_has(&c, "whole\r\n"));
	CHECK_EQ(c.in.len, 40 * strlen("eaten\r\n") + strlen("whole\r\n"));
	CHECK(w.max_input <= CONN_INPUT_MAX);
	buf_release(&b);
	finish(&w, &c);
}

TEST(test_conn_takes_megabytes_in_the_clear)
{
	check_upload(SERVICE_PLAIN);
}

TEST(test_conn_takes_megabytes_through_tls)
{
	check_upload(SERVICE_IMPLICIT);
}

/* The peer asks for much and reads nothing: producing stops. */
static void
check_backpressure(enum service_tls mode)
{
	struct world w;
	struct client c;

	start(&w, &c, mode);
	client_says(&w, &c, "BIG 67108864\r\nECHO late\r\n");
	for (int i = 0; i < 200; i++)
		world_round(&w);
	CHECK(w.max_out >= SESSION_OUT_LOW);
	CHECK(w.max_out <= SESSION_OUT_HIGH + 2 * 64 * 1024);
	CHECK(!client_has(&c, "late"));
	finish(&w, &c);
}

TEST(test_conn_stops_producing_for_a_slow_reader)
{
	check_backpressure(SERVICE_PLAIN);
}

TEST(test_conn_stops_producing_for_a_slow_reader_through_tls)
{
	check_backpressure(SERVICE_IMPLICIT);
}

/* Short commands, long answers, and none is read. */
static void
check_unread(const char *login, size_t least, size_t most)
{
	struct world w;
	struct client c;
	struct buf b = BUF_INIT;

	start(&w, &c, SERVICE_PLAIN);
	client_says(&w, &c, login);
	UNTIL(&w, client_has(&c, "in\r\n"));
	for (int i = 0; i < 1000; i++)
		buf_adds(&b, "PEER\r\n");
	for (int i = 0; i < 20000; i++)
		if (!client_send(&w, &c, b.p, b.len))
			break;
	CHECK(w.max_out >= least);
	CHECK(w.max_out <= most);
	buf_release(&b);
	finish(&w, &c);
}

TEST(test_conn_feeds_nothing_while_much_output_waits)
{
	check_unread("LOGIN 1\r\n", SESSION_OUT_LOW,
	    SESSION_OUT_HIGH + 16 * 1024);
}

TEST(test_conn_holds_less_for_who_has_not_logged_in)
{
	check_unread("ECHO in\r\n", CONN_STRANGER_OUT_HIGH,
	    CONN_STRANGER_OUT_HIGH + 1024);
}

static void
check_cap(enum service_tls mode, const char *login, size_t max)
{
	struct world w;
	struct client c;
	struct buf b = BUF_INIT;

	start(&w, &c, mode);
	client_says(&w, &c, login);
	UNTIL(&w, client_has(&c, "in\r\n"));
	for (size_t i = 0; i < MEGABYTE; i++)
		buf_addc(&b, 'z');
	(void)client_send(&w, &c, b.p, b.len);
	UNTIL(&w, w.ended == 1);
	CHECK_EQ(w.max_input, max);
	buf_release(&b);
	finish(&w, &c);
}

TEST(test_conn_ends_a_session_that_leaves_its_input_lying)
{
	check_cap(SERVICE_PLAIN, "LOGIN 1\r\n", CONN_INPUT_MAX);
}

TEST(test_conn_ends_a_session_that_leaves_its_input_lying_through_tls)
{
	check_cap(SERVICE_IMPLICIT, "LOGIN 1\r\n", CONN_INPUT_MAX);
}

TEST(test_conn_keeps_less_input_of_who_has_not_logged_in)
{
	check_cap(SERVICE_PLAIN, "ECHO in\r\n", CONN_STRANGER_INPUT_MAX);
	check_cap(SERVICE_IMPLICIT, "ECHO in\r\n", CONN_STRANGER_INPUT_MAX);
}

TEST(test_conn_finishes_what_is_pending_when_the_peer_ends)
{
	struct world w;
	struct client c;

	start(&w, &c, SERVICE_PLAIN);
	client_says(&w, &c, "ECHO a\r\nWAIT\r\nBIG 100000\r\nECHO b\r\ntail");
	CHECK_EQ(shutdown(c.fd, SHUT_WR), 0);
	UNTIL(&w, client_has(&c, "b\r\n") && c.has_ended);
	CHECK_EQ(c.in.len, 100000 + strlen("a\r\nwaited\r\nend\r\nb\r\n"));
	finish(&w, &c);
}

TEST(test_conn_ends_when_the_peer_does)
{
	struct world w;
	struct client c;

	start(&w, &c, SERVICE_IMPLICIT);
	client_close(&c);
	UNTIL(&w, w.ended == 1);
	finish(&w, &c);
}

TEST(test_conn_ends_when_the_peer_resets)
{
	struct linger now = { 1, 0 };
	struct world w;
	struct client c;

	start(&w, &c, SERVICE_PLAIN);
	client_says(&w, &c, "BIG 67108864\r\n");
	for (int i = 0; i < 20; i++)
		world_round(&w);
	CHECK_EQ(setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now),
	    0);
	client_close(&c);
	UNTIL(&w, w.ended == 1);
	finish(&w, &c);
}

/* A log-in that is slowed must not hold a place for somebody who has gone. */
TEST(test_conn_ends_a_wait_for_time_when_the_peer_has_gone)
{
	struct world w;
	struct client c;

	start(&w, &c, SERVICE_PLAIN);
	client_says(&w, &c, "ECHO a\r\nSLOW\r\nECHO unread\r\n");
	UNTIL(&w, client_has(&c, "a\r\n"));
	client_close(&c);
	UNTIL(&w, w.ended == 1);
	CHECK_EQ(w.timeouts, 0);
	finish(&w, &c);
}

TEST(test_conn_calls_no_timeout_of_a_session_that_has_ended)
{
	struct world w;
	struct client c;

	start(&w, &c, SERVICE_PLAIN);
	client_says(&w, &c, "LATE\r\n");
	UNTIL(&w, (client_read(&c, SIZE_MAX), c.has_ended));
	CHECK_EQ(w.timeouts, 0);
	finish(&w, &c);
}

TEST(test_conn_calls_timeout_once_when_the_deadline_passes)
{
	struct world w;
	struct client c;

	start(&w, &c, SERVICE_PLAIN);
	client_says(&w, &c, "DEAD 100000\r\nDEAD 20\r\n");
	UNTIL(&w, client_has(&c, "timeout\r\n") && c.has_ended);
	CHECK_EQ(w.timeouts, 1);
	finish(&w, &c);
}

TEST(test_conn_follows_a_deadline_that_moves_back)
{
	struct world w;
	struct client c;

	start(&w, &c, SERVICE_PLAIN);
	client_says(&w, &c, "DEAD 5\r\nDEAD 1000000\r\n");
	for (int i = 0; i < 50; i++)
		world_round(&w);
	client_says(&w, &c, "ECHO alive\r\n");
	UNTIL(&w, client_has(&c, "alive\r\n"));
	CHECK_EQ(w.timeouts, 0);
	finish(&w, &c);
}

TEST(test_conn_closes_a_peer_that_does_not_read)
{
	struct world w;
	struct client c;

	world_init(&w);
	w.service.stall_ms = 50;
	world_listen(&w, SERVICE_PLAIN);
	client_connect(&w, &c);
	client_says(&w, &c, "BIG 67108864\r\n");
	UNTIL(&w, w.ended == 1);
	finish(&w, &c);
}

TEST(test_conn_closes_a_handshake_that_takes_too_long)
{
	struct world w;
	struct client c;

	world_init(&w);
	w.service.handshake_ms = 30;
	world_listen(&w, SERVICE_IMPLICIT);
	client_connect(&w, &c);
	client_says(&w, &c, "\x16\x03\x01");
	UNTIL(&w, (client_read(&c, SIZE_MAX), c.has_ended));
	CHECK_EQ(w.started, 0);
	finish(&w, &c);
}

TEST(test_conn_refuses_what_is_not_tls)
{
	struct world w;
	struct client c;

	world_init(&w);
	world_listen(&w, SERVICE_IMPLICIT);
	client_connect(&w, &c);
	client_says(&w, &c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	UNTIL(&w, (client_read(&c, SIZE_MAX), c.has_ended));
	CHECK_EQ(w.started, 0);
	CHECK_EQ(STAT_GET(&w.stats, tls_failed), 1);
	finish(&w, &c);
}

TEST(test_conn_refuses_a_record_that_was_tampered_with)
{
	struct world w;
	struct client c;
	struct buf *out;

	start(&w, &c, SERVICE_IMPLICIT);
	CHECK(tls_write(c.tls, "ECHO a\r\n", 8) == 8);
	out = tls_cipher_out(c.tls);
	out->p[out->len - 1] ^= 1;
	CHECK(send(c.fd, out->p, out->len, 0) == (ssize_t)out->len);
	buf_truncate(out, 0);
	UNTIL(&w, w.ended == 1);
	CHECK(!client_has(&c, "a\r\n"));
	finish(&w, &c);
}

TEST(test_conn_survives_being_closed_during_a_handshake_step)
{
	struct world w;

	world_init(&w);
	world_listen(&w, SERVICE_IMPLICIT);
	for (int i = 0; i < 20; i++) {
		struct client c;
		struct buf *out;

		client_connect(&w, &c);
		c.tls = tls_new(w.client, NULL);
		CHECK_EQ(tls_handshake(c.tls), TLS_MORE);
		out = tls_cipher_out(c.tls);
		CHECK(send(c.fd, out->p, out->len, 0) > 0);
		buf_truncate(out, 0);
		for (int k = 0; k <= i % 5; k++)
			loop_run_once(w.loop);
		conns_close(&w.limits);
		loop_run_once(w.loop);
		client_close(&c);
	}
	CHECK_EQ(w.started, 0);
	world_release(&w);
}

TEST(test_conn_frees_an_op_that_comes_home_to_nobody)
{
	struct world w;
	struct client c;

	start(&w, &c, SERVICE_PLAIN);
	client_says(&w, &c, "WAIT\r\n");
	conns_close(&w.limits);
	UNTIL(&w, w.ended == 1);
	for (int i = 0; i < 10; i++)
		world_round(&w);
	CHECK_EQ(w.op_homes, 0);
	finish(&w, &c);
}

TEST(test_conn_tells_sessions_to_stop)
{
	struct world w;
	struct client c, parked;

	start(&w, &c, SERVICE_IMPLICIT);
	client_connect(&w, &parked);
	UNTIL(&w, w.limits.count == 2);
	conns_stop(&w.limits, STOP_SHUTDOWN);
	UNTIL(&w, client_has(&c, "stop\r\n") && c.has_ended);
	CHECK_EQ(w.stopped, 1);
	client_close(&parked);
	finish(&w, &c);
}

TEST(test_conn_shares_turns_fairly)
{
	struct world w;
	struct client a, b;

	start(&w, &a, SERVICE_PLAIN);
	client_connect(&w, &b);
	UNTIL(&w, client_has(&b, "hello\r\n"));
	client_says(&w, &a, "BIG 4000000\r\n");
	client_says(&w, &b, "BIG 4000000\r\n");
	/* Both are there before the loop runs, and both are read. */
	UNTIL(&w, (client_read(&b, SIZE_MAX), client_has(&a, "end\r\n")) &&
	    client_has(&b, "end\r\n"));
	CHECK(w.max_turns_in_row < 20);
	client_close(&b);
	finish(&w, &a);
}

TEST(test_conn_delivers_its_last_words_over_unread_input)
{
	struct world w;
	struct client c;
	struct buf b = BUF_INIT;

	start(&w, &c, SERVICE_PLAIN);
	buf_adds(&b, "QUIT\r\n");
	for (int i = 0; i < 30000; i++)
		buf_adds(&b, "more\r\n");
	(void)client_send(&w, &c, b.p, b.len);
	UNTIL(&w, client_has(&c, "bye\r\n") && c.has_ended);
	CHECK_STR(c.in.p, "bye\r\n");
	CHECK(!c.has_reset);
	buf_release(&b);
	finish(&w, &c);
}

/* A pool that has no room for the first few jobs. */
struct busy_work {
	struct work work;
	struct work *behind;
	int refusals;
};

static int
busy_submit(struct work *w, struct job *j)
{
	struct busy_work *b = CONTAINER_OF(w, struct busy_work, work);

	if (b->refusals > 0) {
		b->refusals--;
		return ERR_BUSY;
	}
	return work_submit(b->behind, j);
}

TEST(test_conn_tries_a_handshake_again_when_the_workers_are_busy)
{
	struct busy_work busy = { .work.submit = busy_submit, .refusals = 3 };
	struct world w;
	struct client c;

	world_init(&w);
	busy.behind = w.env.work;
	w.env.work = &busy.work;
	world_listen(&w, SERVICE_IMPLICIT);
	client_connect(&w, &c);
	CHECK(client_start_tls(&w, &c, NULL));
	UNTIL(&w, client_has(&c, "hello\r\n"));
	CHECK_EQ(busy.refusals, 0);
	finish(&w, &c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conn_answers_pipelined_commands_in_order),
		cmocka_unit_test(test_conn_takes_a_command_byte_by_byte),
		cmocka_unit_test(
		    test_conn_drops_plaintext_sent_behind_starttls),
		cmocka_unit_test(test_conn_fills_the_peer),
		cmocka_unit_test(test_conn_sends_megabytes_in_the_clear),
		cmocka_unit_test(test_conn_sends_megabytes_through_tls),
		cmocka_unit_test(test_conn_compresses_in_the_clear),
		cmocka_unit_test(test_conn_compresses_under_tls),
		cmocka_unit_test(test_conn_stops_compressing),
		cmocka_unit_test(
		    test_conn_inflates_no_more_than_its_input_holds),
		cmocka_unit_test(test_conn_ends_at_what_is_not_compressed),
		cmocka_unit_test(test_conn_takes_megabytes_in_the_clear),
		cmocka_unit_test(test_conn_takes_megabytes_through_tls),
		cmocka_unit_test(test_conn_stops_producing_for_a_slow_reader),
		cmocka_unit_test(
		    test_conn_stops_producing_for_a_slow_reader_through_tls),
		cmocka_unit_test(
		    test_conn_feeds_nothing_while_much_output_waits),
		cmocka_unit_test(
		    test_conn_holds_less_for_who_has_not_logged_in),
		cmocka_unit_test(
		    test_conn_keeps_less_input_of_who_has_not_logged_in),
		cmocka_unit_test(
		    test_conn_ends_a_session_that_leaves_its_input_lying),
		cmocka_unit_test(
	    test_conn_ends_a_session_that_leaves_its_input_lying_through_tls),
		cmocka_unit_test(
		    test_conn_finishes_what_is_pending_when_the_peer_ends),
		cmocka_unit_test(test_conn_ends_when_the_peer_does),
		cmocka_unit_test(test_conn_ends_when_the_peer_resets),
		cmocka_unit_test(
		    test_conn_ends_a_wait_for_time_when_the_peer_has_gone),
		cmocka_unit_test(
		    test_conn_calls_no_timeout_of_a_session_that_has_ended),
		cmocka_unit_test(
		    test_conn_calls_timeout_once_when_the_deadline_passes),
		cmocka_unit_test(test_conn_follows_a_deadline_that_moves_back),
		cmocka_unit_test(test_conn_closes_a_peer_that_does_not_read),
		cmocka_unit_test(
		    test_conn_closes_a_handshake_that_takes_too_long),
		cmocka_unit_test(test_conn_refuses_what_is_not_tls),
		cmocka_unit_test(
		    test_conn_refuses_a_record_that_was_tampered_with),
		cmocka_unit_test(
		    test_conn_survives_being_closed_during_a_handshake_step),
		cmocka_unit_test(
		    test_conn_frees_an_op_that_comes_home_to_nobody),
		cmocka_unit_test(test_conn_tells_sessions_to_stop),
		cmocka_unit_test(test_conn_shares_turns_fairly),
		cmocka_unit_test(
		    test_conn_delivers_its_last_words_over_unread_input),
		cmocka_unit_test(
	    test_conn_tries_a_handshake_again_when_the_workers_are_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
