#include <string.h>

#include "server/base/codec.h"
#include "store/mime/digest.h"
#include "tests/unit/store/rig_read.h"

#define HEAD "Subject: one\r\nFrom: a@example.org\r\n\r\n"
#define PREFIX "Return-Path: <>\r\n"

/* Delivers with a prefix; the body id. */
static uint64_t
deliver(struct fixture *f, const char *prefix, const char *bytes)
{
	struct wreq_deliver *r = wreq_deliver_new(&f->env, NULL);

	r->spool = fixture_spool(f, bytes);
	r->rcpts = xcalloc(1, sizeof *r->rcpts);
	r->rcpt_count = 1;
	r->rcpts[0].account = fixture_account(f, "ann@example.org");
	r->rcpts[0].prefix = xstrdup(prefix);
	r->rcpts[0].prefix_len = strlen(prefix);
	CHECK_EQ(fixture_run(f, &r->w), 0);
	return r->rcpts[0].body_r;
}

static struct rjob_messages *
one_item(struct fixture *f, uint64_t body, uint64_t off, uint64_t len)
{
	struct rjob_messages *m = rjob_messages_new(&f->env, NULL, 1);

	m->items[0] = (struct read_item){ .body = body, .off = off,
	    .len = len };
	return m;
}

TEST(messages_gives_ranges_over_prefix_and_content)
{
	static const char whole[] = PREFIX HEAD "text\r\n";
	static const struct {
		uint64_t off, len;
		size_t from, n;
	} cases[] = {
		{ 0, READ_ALL, 0, sizeof whole - 1 },
		{ 0, READ_HEADER, 0, sizeof(PREFIX HEAD) - 1 },
		{ 5, READ_HEADER, 5, sizeof(PREFIX HEAD) - 1 - 5 },
		{ 0, 3, 0, 3 },
		{ 15, 4, 15, 4 },			/* across the seam */
		{ sizeof whole - 3, 100, sizeof whole - 3, 2 },
		{ sizeof whole - 1, 1, sizeof whole - 1, 0 },
		{ UINT64_MAX - 5, READ_ALL, sizeof whole - 1, 0 },
		{ 7, READ_NOTHING, 7, 0 },
	};
	struct fixture *f = fixture_new();
	uint64_t body = deliver(f, PREFIX, HEAD "text\r\n");

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rjob_messages *m = one_item(f, body, cases[i].off,
		    cases[i].len);
		struct read_piece *p;

		CHECK_EQ(rig_read(f, &m->j), 0);
		CHECK(!m->j.more);
		CHECK_EQ(m->piece_count, 1);
		p = &m->pieces[0];
		CHECK(p->last && !p->gone);
		CHECK_EQ(p->off, cases[i].from);
		CHECK_EQ(p->want_len, cases[i].n);
		CHECK_EQ(p->bytes.len, cases[i].n);
		if (cases[i].n)
			assert_memory_equal(p->bytes.p, whole + cases[i].from,
			    cases[i].n);
		CHECK_EQ(p->prefix_len, sizeof PREFIX - 1);
		CHECK_EQ(p->total, sizeof whole - 1);
		CHECK_EQ(p->digest.len, 0);
		rig_free(&m->j);
	}
	fixture_free(f);
}

TEST(messages_header_ends_at_the_first_blank_line)
{
	static const struct {
		const char *text;
		uint64_t len;
	} cases[] = {
		{ "A: b\r\n\r\nx\r\n\r\n", 8 },
		{ "A: b\n\nx", 6 },
		{ "A: b\n\r\nx", 7 },
		{ "A: b\r\nC: d\r\n", 12 },		/* no blank line */
		{ "\r\nbody", 2 },
		{ "\nbody", 1 },
		{ "A: b\r\n\r\rx\r\n\r\ny", 13 },	/* \r\r\n is no blank */
		{ "", 0 },
	};
	struct fixture *f = fixture_new();

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t body = deliver(f, "", cases[i].text);
		struct rjob_messages *m = one_item(f, body, 0, READ_HEADER);

		CHECK_EQ(rig_read(f, &m->j), 0);
		CHECK_EQ(m->pieces[0].want_len, cases[i].len);
		rig_free(&m->j);
	}
	fixture_free(f);
}

TEST(messages_header_may_be_long)
{
	struct fixture *f = fixture_new();
	size_t len = 150 * 1000;
	char *text = xmalloc(len + 1);
	struct rjob_messages *m;
	uint64_t got = 0;

	memset(text, 'x', len);
	for (size_t i = 0; i + 100 < len; i += 80)
		memcpy(text + i, "A: b\r\n", 6);
	memcpy(text + len - 50, "\r\n\r\nbody", 8);
	text[len] = '\0';
	m = one_item(f, deliver(f, PREFIX, text), 0, READ_HEADER);
	do {
		CHECK_EQ(rig_read(f, &m->j), 0);
		for (size_t i = 0; i < m->piece_count; i++) {
			CHECK_EQ(m->pieces[i].want_len,
			    sizeof PREFIX - 1 + len - 46);
			got += m->pieces[i].bytes.len;
		}
	} while (m->j.more);
	CHECK_EQ(got, sizeof PREFIX - 1 + len - 46);
	rig_free(&m->j);
	free(text);
	fixture_free(f);
}

TEST(messages_answers_items_in_order_and_marks_the_gone)
{
	struct fixture *f = fixture_new();
	struct rjob_messages *m = rjob_messages_new(&f->env, NULL, 3);

	m->items[0] = (struct read_item){ .body = deliver(f, "", HEAD "1"),
	    .len = READ_ALL };
	m->items[1] = (struct read_item){ .body = 424242, .len = READ_ALL,
	    .digest = true };
	m->items[2] = (struct read_item){ .body = deliver(f, "", HEAD "22"),
	    .len = READ_NOTHING, .digest = true };
	CHECK_EQ(rig_read(f, &m->j), 0);
	CHECK(!m->j.more);
	CHECK_EQ(m->piece_count, 3);
	CHECK_EQ(m->pieces[0].item, 0);
	CHECK_EQ(m->pieces[0].total, sizeof HEAD);
	CHECK(m->pieces[1].gone);
	CHECK_EQ(m->pieces[1].item, 1);
	CHECK_EQ(m->pieces[1].digest.len, 0);
	CHECK_EQ(m->pieces[2].item, 2);
	CHECK(m->pieces[2].digest.len > 0);
	CHECK(m->pieces[2].last);
	rig_free(&m->j);
	m = rjob_messages_new(&f->env, NULL, 0);
	CHECK_EQ(rig_read(f, &m->j), 0);
	CHECK_EQ(m->piece_count, 0);
	rig_free(&m->j);
	fixture_free(f);
}

static void
check_subject(struct span digest, const char *subject)
{
	struct arena a = { 0 };
	struct digest d;

	CHECK_EQ(digest_decode(digest, &a, &d), 0);
	CHECK_SPAN(d.envelope.subject, subject);
	arena_release(&a);
}

TEST(messages_makes_an_outdated_digest_again)
{
	struct fixture *f = fixture_new();
	uint64_t body = deliver(f, PREFIX, HEAD "text\r\n");
	struct rjob_messages *m = one_item(f, body, 0, READ_NOTHING);

	m->items[0].digest = true;
	CHECK_EQ(rig_read(f, &m->j), 0);
	check_subject(m->pieces[0].digest, "one");
	rig_free(&m->j);
	CHECK_EQ(db_run(&f->store->db, "UPDATE digest SET version = 0,"
	    " bytes = x'00'"), 0);
	m = one_item(f, body, 0, READ_NOTHING);
	m->items[0].digest = true;
	CHECK_EQ(rig_read(f, &m->j), 0);
	check_subject(m->pieces[0].digest, "one");
	rig_free(&m->j);
	CHECK_EQ(db_run(&f->store->db, "UPDATE digest SET version = ?",
	    A_INT(DIGEST_VERSION)), 0);
	fixture_free(f);
}

/* ---- in slices ---- */

/* A text whose every place can be told apart. */
static char *
long_text(size_t len)
{
	char *p = xmalloc(len + 1);
	size_t at = (size_t)snprintf(p, len, "%s", HEAD);

	for (size_t line = 0; at < len; line++)
		at += (size_t)snprintf(p + at, len + 1 - at, "%zu\r\n", line);
	p[len] = '\0';
	return p;
}

/* Reads item 0 slice by slice and compares it with want. */
static size_t
check_slices(struct fixture *f, struct rjob_messages *m, const char *want,
    size_t len)
{
	size_t at = 0, slices = 0;

	do {
		size_t bytes = 0;

		CHECK_EQ(rig_read(f, &m->j), 0);
		CHECK(m->piece_count > 0);
		for (size_t i = 0; i < m->piece_count; i++) {
			struct read_piece *p = &m->pieces[i];

			CHECK_EQ(p->want_len, len);
			CHECK_EQ(p->off, m->items[0].off + at);
			CHECK(p->bytes.len <= 64 * 1024);
			assert_memory_equal(p->bytes.p, want + at,
			    p->bytes.len);
			at += p->bytes.len;
			bytes += p->bytes.len;
			CHECK_EQ(p->last, at == len);
		}
		CHECK(bytes <= 64 * 1024);
		slices++;
	} while (m->j.more);
	CHECK_EQ(at, len);
	return slices;
}

/* Staged as the session of a large message would. */
static struct spool *
large_spool(struct fixture *f, const char *text, size_t len)
{
	struct spool *s = spool_new(&f->env, 50 << 20);
	struct session session;
	static const struct session_ops ops = { .name = "test" };

	session_init(&session, &ops, &f->env);
	for (size_t at = 0; at < len; at += 100000) {
		CHECK_EQ(spool_add(s, text + at, MIN(100000, len - at)), 0);
		while (spool_submit_stage(s, &session))
			continue;
		(void)store_pump(f->store);
		for (struct post_item *i = post_take(&f->home), *next; i;
		    i = next) {
			struct op *op = CONTAINER_OF(i, struct op, item);

			next = i->next;
			if (op->tag == SPOOL_OP_TAG) {
				list_remove(&op->by_owner);
				CHECK_EQ(spool_staged(s, op), 0);
			} else {
				i->deliver(i);
			}
		}
	}
	return s;
}

static uint64_t
deliver_large(struct fixture *f, const char *text, size_t len)
{
	struct wreq_deliver *r = wreq_deliver_new(&f->env, NULL);
	struct spool *s = large_spool(f, text, len);
	struct session session;
	static const struct session_ops ops = { .name = "test" };

	session_init(&session, &ops, &f->env);
	CHECK_EQ(spool_finish(s), 0);
	while (spool_submit_stage(s, &session))
		continue;
	while (spool_has_stages_out(s)) {
		struct post_item *i;

		(void)store_pump(f->store);
		i = post_take(&f->home);
		CHECK(i && !i->next);
		list_remove(&CONTAINER_OF(i, struct op, item)->by_owner);
		CHECK_EQ(spool_staged(s, CONTAINER_OF(i, struct op, item)),
		    0);
	}
	r->spool = s;
	r->rcpts = xcalloc(1, sizeof *r->rcpts);
	r->rcpt_count = 1;
	r->rcpts[0].account = fixture_account(f, "ann@example.org");
	CHECK_EQ(fixture_run(f, &r->w), 0);
	return r->rcpts[0].body_r;
}

TEST(messages_long_body_comes_in_slices)
{
	struct fixture *f = fixture_new();
	size_t len = 1500 * 1000;
	char *text = long_text(len);
	uint64_t body = deliver_large(f, text, len);
	struct rjob_messages *m = one_item(f, body, 0, READ_ALL);

	CHECK_EQ(check_slices(f, m, text, len), (len + 65535) / 65536);
	rig_free(&m->j);
	m = one_item(f, body, len - 70000, 66000);
	CHECK_EQ(check_slices(f, m, text + len - 70000, 66000), 2);
	rig_free(&m->j);
	/* Across the seam of two chunks. */
	m = one_item(f, body, SPOOL_CHUNK - 3, 7);
	CHECK_EQ(check_slices(f, m, text + SPOOL_CHUNK - 3, 7), 1);
	rig_free(&m->j);
	free(text);
	fixture_free(f);
}

TEST(messages_body_purged_between_slices_is_gone)
{
	struct fixture *f = fixture_new();
	size_t len = 200 * 1000;
	char *text = long_text(len);
	uint64_t body = deliver(f, "", text);
	struct rjob_messages *m = one_item(f, body, 0, READ_ALL);

	CHECK_EQ(rig_read(f, &m->j), 0);
	CHECK(m->j.more);
	CHECK_EQ(db_exec(&f->store->db, "DELETE FROM body;"
	    "DELETE FROM content; DELETE FROM chunk; DELETE FROM digest;"
	    "DELETE FROM msg; UPDATE mailbox SET messages = 0, unseen = 0,"
	    " bytes = 0; UPDATE account SET messages = 0, bytes = 0"), 0);
	/* One slice had been read ahead. */
	CHECK_EQ(rig_read(f, &m->j), 0);
	CHECK(m->j.more);
	CHECK(!m->pieces[0].gone);
	CHECK_EQ(rig_read(f, &m->j), 0);
	CHECK(!m->j.more);
	CHECK_EQ(m->piece_count, 1);
	CHECK(m->pieces[0].gone);
	rig_free(&m->j);
	free(text);
	fixture_free(f);
}

/* Whoever loses interest leaves a slice that is being read. */
TEST(messages_job_is_freed_while_it_reads_ahead)
{
	struct fixture *f = fixture_new();
	char *text = long_text(200 * 1000);
	uint64_t body = deliver(f, "", text);
	struct rjob_messages *m = one_item(f, body, 0, READ_ALL);

	CHECK_EQ(rig_read(f, &m->j), 0);
	/* The second slice is there; the third is queued, and not read yet. */
	store_read(f->store, &m->j);
	while (post_drain(&f->home))
		;
	assert_ptr_equal(f->done, &m->j.op);
	f->done = NULL;
	CHECK(m->j.more);
	rig_free(&m->j);
	fixture_settle(f);
	free(text);
	fixture_free(f);
}

TEST(messages_many_small_ones_share_a_slice)
{
	struct fixture *f = fixture_new();
	struct rjob_messages *m = rjob_messages_new(&f->env, NULL, 700);
	uint64_t body = deliver(f, PREFIX, HEAD "text\r\n");
	size_t items = 0, slices = 0;

	for (size_t i = 0; i < 700; i++)
		m->items[i] = (struct read_item){ .body = body,
		    .len = READ_ALL };
	do {
		CHECK_EQ(rig_read(f, &m->j), 0);
		for (size_t i = 0; i < m->piece_count; i++)
			CHECK_EQ(m->pieces[i].item, items++);
		slices++;
	} while (m->j.more);
	CHECK_EQ(items, 700);
	CHECK(slices <= 3);
	rig_free(&m->j);
	fixture_free(f);
}

/* ---- NULs, and transfer encodings ---- */

#define NUL_HEAD "Content-Transfer-Encoding: binary\r\n\r\n"
#define NUL_SHOWN "Content-Transfer-Encoding: base64\r\n\r\n"

/* A message of the head and len bytes, each third of them NUL. */
static struct buf
nul_message(size_t len)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, NUL_HEAD);
	for (size_t i = 0; i < len; i++)
		buf_addc(&b, (char)(i % 3 ? 1 + i % 251 : 0));
	return b;
}

/* The same in base64. */
static struct buf
nul_shown(struct span message)
{
	struct span body = span_from(message, sizeof NUL_HEAD - 1);
	struct buf b = BUF_INIT;

	buf_adds(&b, NUL_SHOWN);
	for (; body.len; body = span_from(body, 57)) {
		base64_encode(&b, body.p, MIN(body.len, 57));
		buf_adds(&b, "\r\n");
	}
	return b;
}

TEST(messages_nuls_are_shown_in_base64)
{
	struct fixture *f = fixture_new();
	struct buf message = nul_message(300 * 1000);
	struct buf shown = nul_shown(buf_span(&message));
	uint64_t body = deliver_large(f, message.p, message.len);
	struct rjob_messages *m = one_item(f, body, 0, READ_ALL);

	CHECK(check_slices(f, m, shown.p, shown.len) >= 6);
	rig_free(&m->j);
	m = one_item(f, body, 200001, 70000);
	(void)check_slices(f, m, shown.p + 200001, 70000);
	rig_free(&m->j);
	m = one_item(f, body, 0, READ_HEADER);
	(void)check_slices(f, m, shown.p, sizeof NUL_SHOWN - 1);
	rig_free(&m->j);
	m = one_item(f, body, 0, READ_ALL);
	m->items[0].as_stored = true;
	(void)check_slices(f, m, message.p, message.len);
	rig_free(&m->j);
	/* The row agrees, also while the checker has its say at the end. */
	CHECK_EQ(fixture_get(f, "SELECT size FROM msg"), shown.len);
	buf_release(&message);
	buf_release(&shown);
	fixture_free(f);
}

/* Reads the decoded item 0 and compares it with want. */
static void
check_decoded(struct fixture *f, struct rjob_messages *m, struct span want,
    bool has_nul)
{
	size_t at = 0;
	bool has_ended = false;

	do {
		CHECK_EQ(rig_read(f, &m->j), 0);
		for (size_t i = 0; i < m->piece_count; i++) {
			struct read_piece *p = &m->pieces[i];

			CHECK_EQ(p->want_len, want.len);
			CHECK_EQ(p->has_nul, has_nul);
			if (p->bytes.len)
				assert_memory_equal(p->bytes.p, want.p + at,
				    p->bytes.len);
			at += p->bytes.len;
			has_ended = p->last;
		}
	} while (m->j.more);
	CHECK(has_ended);
	CHECK_EQ(at, want.len);
}

TEST(messages_range_is_decoded)
{
	struct fixture *f = fixture_new();
	struct buf plain = nul_message(300 * 1000);
	struct buf message = nul_shown(buf_span(&plain));
	struct span want = span_from(buf_span(&plain), sizeof NUL_HEAD - 1);
	uint64_t body = deliver_large(f, message.p, message.len);
	static const struct {
		uint64_t off, len;
		bool has_nul;
	} cases[] = {
		{ 0, READ_ALL, true },
		{ 100001, 150000, true },
		{ 299999, 5, false },		/* one byte, and no NUL */
		{ 1, 2, false },
		{ 300000, 5, false },
		{ UINT64_MAX - 1, READ_ALL, false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rjob_messages *m = one_item(f, body,
		    sizeof NUL_SHOWN - 1, READ_ALL);

		m->items[0].decode = (struct read_decode){ .is_on = true,
		    .encoding = ENC_BASE64, .off = cases[i].off,
		    .len = cases[i].len };
		check_decoded(f, m, span_head(span_from(want,
		    (size_t)MIN(cases[i].off, (uint64_t)want.len)),
		    (size_t)MIN(cases[i].len, (uint64_t)want.len)),
		    cases[i].has_nul);
		rig_free(&m->j);
	}
	buf_release(&plain);
	buf_release(&message);
	fixture_free(f);
}

TEST(messages_decoded_length_alone)
{
	struct fixture *f = fixture_new();
	uint64_t body = deliver(f, "", HEAD "YWJj\r\nZA==\r\n");
	struct rjob_messages *m = one_item(f, body, sizeof HEAD - 1,
	    READ_ALL);

	m->items[0].decode = (struct read_decode){ .is_on = true,
	    .encoding = ENC_BASE64, .len = READ_NOTHING };
	CHECK_EQ(rig_read(f, &m->j), 0);
	CHECK_EQ(m->piece_count, 1);
	CHECK(m->pieces[0].last);
	CHECK_EQ(m->pieces[0].decoded_len, 4);
	CHECK_EQ(m->pieces[0].bytes.len, 0);
	rig_free(&m->j);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    messages_gives_ranges_over_prefix_and_content),
		cmocka_unit_test(
		    messages_header_ends_at_the_first_blank_line),
		cmocka_unit_test(messages_header_may_be_long),
		cmocka_unit_test(
		    messages_answers_items_in_order_and_marks_the_gone),
		cmocka_unit_test(messages_makes_an_outdated_digest_again),
		cmocka_unit_test(messages_long_body_comes_in_slices),
		cmocka_unit_test(messages_body_purged_between_slices_is_gone),
		cmocka_unit_test(messages_job_is_freed_while_it_reads_ahead),
		cmocka_unit_test(messages_many_small_ones_share_a_slice),
		cmocka_unit_test(messages_nuls_are_shown_in_base64),
		cmocka_unit_test(messages_range_is_decoded),
		cmocka_unit_test(messages_decoded_length_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
