#include <string.h>

#include "tests/unit/store/rig_read.h"

/* 2024-05-03 01:30 +0200 is still the 2nd in UTC; SENT keys say the 3rd. */
#define MAIL_1 \
	"From: =?utf-8?q?J=C3=BCrgen?= <juergen@example.org>\r\n" \
	"To: ann@example.org, Bob Builder <bob@example.org>\r\n" \
	"Cc: carl@other.example\r\n" \
	"Subject: =?utf-8?B?R3LDvMOfZQ==?= to\r\n all\r\n" \
	"Date: Fri, 3 May 2024 01:30:00 +0200\r\n" \
	"X-Mark: here\r\n" \
	"X-Empty:\r\n" \
	"MIME-Version: 1.0\r\n" \
	"Content-Type: text/plain; charset=utf-8\r\n" \
	"Content-Transfer-Encoding: quoted-printable\r\n" \
	"\r\n" \
	"Caf=C3=A9 soft=\r\nly broken\r\nSTRASSE\r\n"

#define MAIL_2 \
	"From: spam@other.example\r\n" \
	"Subject: plain\r\n" \
	"MIME-Version: 1.0\r\n" \
	"Content-Type: multipart/mixed; boundary=x\r\n" \
	"\r\n" \
	"preamble words\r\n" \
	"--x\r\n" \
	"Content-Type: text/plain; charset=iso-8859-1\r\n" \
	"Content-Transfer-Encoding: base64\r\n" \
	"\r\n" \
	"bmHvdmUgd29yZHM=\r\n" \
	"--x\r\n" \
	"Content-Type: application/octet-stream\r\n" \
	"\r\n" \
	"binary words nobody wants\r\n" \
	"--x\r\n" \
	"Content-Type: message/rfc822\r\n" \
	"\r\n" \
	"Subject: the inner subject\r\n" \
	"\r\n" \
	"inner text\r\n" \
	"--x--\r\n"

#define PREFIX "X-Verdict: ham\r\n"

static uint64_t
deliver(struct fixture *f, const char *text)
{
	struct wreq_deliver *r = wreq_deliver_new(&f->env, NULL);

	r->spool = fixture_spool(f, text);
	r->rcpts = xcalloc(1, sizeof *r->rcpts);
	r->rcpt_count = 1;
	r->rcpts[0].account = fixture_account(f, "ann@example.org");
	r->rcpts[0].prefix = xstrdup(PREFIX);
	r->rcpts[0].prefix_len = strlen(PREFIX);
	CHECK_EQ(fixture_run(f, &r->w), 0);
	return r->rcpts[0].body_r;
}

/* The UIDs, "1 2"; rows have the UIDs 1, 2 ... Owned. */
static char *
search(struct fixture *f, const struct search_key *k, const uint64_t *bodies,
    size_t n, size_t *slices)
{
	struct rjob_search *s = rjob_search_new(&f->env, NULL, 0, k, n);
	struct buf out = BUF_INIT;
	size_t done = 0;

	for (size_t i = 0; i < n; i++)
		s->rows[i].row = (struct msgrow){ .uid = (uint32_t)i + 1,
		    .body = bodies[i], .flags = i == 0 ? FLAG_SEEN : 0 };
	*slices = 0;
	do {
		CHECK_EQ(rig_read(f, &s->j), 0);
		for (size_t i = 0; i < s->uid_count; i++) {
			if (out.len)
				buf_addc(&out, ' ');
			buf_addu(&out, s->uids[i]);
		}
		CHECK(s->done_count >= done);
		done = s->done_count;
		CHECK(++*slices < 10000);
	} while (s->j.more);
	CHECK_EQ(done, n);
	rig_free(&s->j);
	return buf_take(&out);
}

static int64_t
impatient(struct clock *clock)
{
	struct fake_clock *f = CONTAINER_OF(clock, struct fake_clock, clock);

	return (f->now_ms += 10) * 1000;
}

static const struct {
	struct search_key k;
	const char *uids;
} cases[] = {
	{ { .op = SEARCH_SUBJECT, .text = SPAN("gru\xcc\x88sse to all") },
	    "1" },
	{ { .op = SEARCH_SUBJECT, .text = SPAN("plain") }, "2" },
	{ { .op = SEARCH_SUBJECT, .text = SPAN("inner") }, "" },
	{ { .op = SEARCH_FROM, .text = SPAN("ju\xcc\x88rgen <jue") }, "1" },
	{ { .op = SEARCH_FROM, .text = SPAN("@") }, "1 2" },
	{ { .op = SEARCH_TO, .text = SPAN("builder") }, "1" },
	{ { .op = SEARCH_TO, .text = SPAN("ann@example.org") }, "1" },
	{ { .op = SEARCH_TO, .text = SPAN("") }, "1" },
	{ { .op = SEARCH_CC, .text = SPAN("carl") }, "1" },
	{ { .op = SEARCH_BCC, .text = SPAN("carl") }, "" },
	{ { .op = SEARCH_SENT_ON, .day = 19846 }, "1" },
	{ { .op = SEARCH_SENT_ON, .day = 19845 }, "" },
	{ { .op = SEARCH_SENT_SINCE, .day = 19846 }, "1" },
	{ { .op = SEARCH_SENT_BEFORE, .day = 19846 }, "" },
	{ { .op = SEARCH_SENT_BEFORE, .day = 19847 }, "1" },
	{ { .op = SEARCH_HEADER, .name = SPAN("x-mark"),
	    .text = SPAN("her") }, "1" },
	{ { .op = SEARCH_HEADER, .name = SPAN("x-empty"),
	    .text = SPAN("") }, "1" },
	{ { .op = SEARCH_HEADER, .name = SPAN("x-empty"),
	    .text = SPAN("x") }, "" },
	{ { .op = SEARCH_HEADER, .name = SPAN("x-verdict"),
	    .text = SPAN("ham") }, "1 2" },
	{ { .op = SEARCH_HEADER, .name = SPAN("subject"),
	    .text = SPAN("to all") }, "1" },
	{ { .op = SEARCH_BODY, .text = SPAN("cafe\xcc\x81 softly") }, "1" },
	{ { .op = SEARCH_BODY, .text = SPAN("strasse") }, "1" },
	{ { .op = SEARCH_BODY, .text = SPAN("nai\xcc\x88ve words") }, "2" },
	{ { .op = SEARCH_BODY, .text = SPAN("nobody") }, "" },
	{ { .op = SEARCH_BODY, .text = SPAN("inner text") }, "2" },
	{ { .op = SEARCH_BODY, .text = SPAN("the inner subject") }, "2" },
	{ { .op = SEARCH_BODY, .text = SPAN("plain") }, "" },
	{ { .op = SEARCH_BODY, .text = SPAN("") }, "1 2" },
	{ { .op = SEARCH_TEXT, .text = SPAN("subject: plain") }, "2" },
	{ { .op = SEARCH_TEXT, .text = SPAN("ju\xcc\x88rgen") }, "1" },
	{ { .op = SEARCH_TEXT, .text = SPAN("x-verdict: ham") }, "1 2" },
	{ { .op = SEARCH_TEXT, .text = SPAN("softly") }, "1" },
	{ { .op = SEARCH_TEXT, .text = SPAN("nowhere") }, "" },
	{ { .op = SEARCH_FLAGS, .mask = FLAG_SEEN }, "1" },
	{ { .op = SEARCH_ALL }, "1 2" },
};

static void
check_cases(struct fixture *f)
{
	uint64_t bodies[] = { deliver(f, MAIL_1), deliver(f, MAIL_2), 4242 };
	size_t slices;

	for (size_t i = 0; i < COUNT(cases); i++) {
		/* Nothing is known of the third, which is gone. */
		size_t n = cases[i].k.op == SEARCH_ALL ? 2 : 3;
		char *got = search(f, &cases[i].k, bodies, n, &slices);

		if (strcmp(got, cases[i].uids) != 0)
			print_error("case %zu\n", i);
		CHECK_STR(got, cases[i].uids);
		free(got);
	}
}

TEST(search_answers_each_kind_of_key)
{
	struct fixture *f = fixture_new();

	check_cases(f);
	fixture_free(f);
}

/* The same answers when every slice is over at once. */
TEST(search_answers_the_same_in_the_smallest_slices)
{
	struct fixture *f = fixture_new();

	f->clock.clock.mono_us = impatient;
	check_cases(f);
	fixture_free(f);
}

TEST(search_joins_keys_over_stages)
{
	struct search_key subject = { .op = SEARCH_SUBJECT,
	    .text = SPAN("plain") };
	struct search_key cafe = { .op = SEARCH_BODY,
	    .text = SPAN("cafe\xcc\x81") };
	struct search_key inner = { .op = SEARCH_TEXT,
	    .text = SPAN("inner text") };
	struct search_key mark = { .op = SEARCH_HEADER,
	    .name = SPAN("x-mark"), .text = SPAN("") };
	struct {
		enum search_op op;
		struct search_key *kids[3];
		size_t n;
		const char *uids;
	} trees[] = {
		{ SEARCH_OR, { &subject, &cafe }, 2, "1 2" },
		{ SEARCH_AND, { &subject, &cafe }, 2, "" },
		{ SEARCH_AND, { &subject, &inner }, 2, "2" },
		{ SEARCH_AND, { &cafe, &mark }, 2, "1" },
		{ SEARCH_NOT, { &cafe }, 1, "2" },
		{ SEARCH_NOT, { &cafe, &inner }, 2, "1 2" },
		{ SEARCH_OR, { &mark, &inner, &cafe }, 3, "1 2" },
	};
	struct fixture *f = fixture_new();
	uint64_t bodies[] = { deliver(f, MAIL_1), deliver(f, MAIL_2) };
	size_t slices;

	for (size_t i = 0; i < COUNT(trees); i++) {
		struct search_key k = { .op = trees[i].op,
		    .kids = trees[i].kids, .kid_count = trees[i].n };
		char *got = search(f, &k, bodies, 2, &slices);

		CHECK_STR(got, trees[i].uids);
		free(got);
	}
	fixture_free(f);
}

TEST(search_stops_in_the_middle_of_a_long_text_and_goes_on)
{
	struct search_key k = { .op = SEARCH_BODY, .text = SPAN("needle") };
	struct fixture *f = fixture_new();
	size_t len = 250 * 1000, slices;
	char *text = xmalloc(len + 1), *got;
	uint64_t body;

	memset(text, 'a', len);
	memcpy(text, "Subject: x\r\n\r\n", 14);
	for (size_t i = 100; i + 2 < len; i += 70)
		memcpy(text + i, "\r\n", 2);
	text[len] = '\0';
	/* Across two of the windows that the reader looks through. */
	memcpy(text + 14 + 65536 - 3, "NEEDLE", 6);
	body = deliver(f, text);
	f->clock.clock.mono_us = impatient;
	got = search(f, &k, &body, 1, &slices);
	CHECK_STR(got, "1");
	CHECK(slices > 1);
	free(got);
	k.text = SPAN("not there");
	got = search(f, &k, &body, 1, &slices);
	CHECK_STR(got, "");
	CHECK(slices > 3);
	free(got);
	free(text);
	fixture_free(f);
}

TEST(search_passes_over_damage)
{
	struct search_key k = { .op = SEARCH_TEXT, .text = SPAN("subject") };
	struct fixture *f = fixture_new();
	uint64_t bodies[] = { deliver(f, MAIL_1), deliver(f, MAIL_2) };
	size_t slices;
	char *got;

	CHECK_EQ(db_run(&f->store->db, "UPDATE digest SET bytes = x'ffff'"
	    " WHERE content = (SELECT min(content) FROM digest)"), 0);
	got = search(f, &k, bodies, 2, &slices);
	CHECK_STR(got, "2");
	free(got);
	fixture_free(f);
}

/* So many rows are for two readers; which is the first does not show. */
static void
search_of_many_rows_answers_in_order(void **state)
{
	enum { MANY = 1500 };
	struct search_key k = { .op = SEARCH_SUBJECT, .text = SPAN("plain") };
	struct fixture *f = fixture_new();
	uint64_t kinds[] = { deliver(f, MAIL_1), deliver(f, MAIL_2) };
	uint64_t *bodies = xcalloc(MANY, sizeof *bodies);
	struct buf want = BUF_INIT;
	size_t slices;
	char *got;

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		bodies[i] = kinds[i % 3 == 0];
		if (i % 3 == 0)
			buf_printf(&want, "%s%zu", i ? " " : "", i + 1);
	}
	got = search(f, &k, bodies, MANY, &slices);
	CHECK_STR(got, want.p);
	free(got);
	/* A slice of each for every row of the two halves. */
	f->clock.clock.mono_us = impatient;
	got = search(f, &k, bodies, MANY, &slices);
	CHECK_STR(got, want.p);
	CHECK(slices >= MANY / 2 && slices < MANY);
	free(got);
	free(bodies);
	buf_release(&want);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(search_answers_each_kind_of_key),
		cmocka_unit_test(
		    search_answers_the_same_in_the_smallest_slices),
		cmocka_unit_test(search_joins_keys_over_stages),
		cmocka_unit_test(
		    search_stops_in_the_middle_of_a_long_text_and_goes_on),
		cmocka_unit_test(search_passes_over_damage),
		cmocka_unit_test(search_of_many_rows_answers_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
