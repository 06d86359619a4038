#include "tests/check.h"

#include "smtp/submit.h"

static struct arena arena;
static struct submit_senders senders;
static struct buf out;

/* Fixes head as ann@example.org at a set time; out has the result. */
static void
fix(const char *head)
{
	struct seeded_random random;
	struct submit_facts facts = {
		.now_s = 1714557600, .random = &random.random,
		.hostname = "mail.example.org", .from = SPAN("ann@example.org")
	};

	seeded_random_init(&random, 1);
	arena_release(&arena);
	buf_init(&out);
	senders = (struct submit_senders){ 0 };
	submit_fix_header(&facts, span_of(head), &arena, &out, &senders);
}

static void
done(void)
{
	buf_release(&out);
	arena_release(&arena);
}

#define DATE "Date: Wed, 01 May 2024 10:00:00 +0000\r\n"
#define WHOLE "From: ann@example.org\r\nDate: x\r\nMessage-ID: <1@x>\r\n"

TEST(test_submit_leaves_a_whole_header_alone)
{
	fix(WHOLE "To: b@c\r\n\r\n");
	CHECK_STR(out.p, WHOLE "To: b@c\r\n\r\n");
	done();
}

TEST(test_submit_adds_what_is_missing)
{
	fix("From: ann@example.org\r\n\r\n");
	CHECK(strstr(out.p, "\r\n" DATE));
	CHECK(strstr(out.p, "\r\nMessage-ID: <"));
	CHECK(strstr(out.p, "@example.org>\r\n\r\n"));
	done();
	fix("Subject: x\r\n\r\n");
	CHECK(strstr(out.p, "\r\nFrom: <ann@example.org>\r\n"));
	done();
}

TEST(test_submit_takes_bcc_out_with_its_folds)
{
	fix("Bcc: b@c,\r\n d@e\r\n" WHOLE "BCC : f@g\r\nResent-Bcc: h@i\r\n"
	    "Bccx: stays\r\n\r\n");
	CHECK_STR(out.p, WHOLE "Bccx: stays\r\n\r\n");
	done();
}

TEST(test_submit_ends_a_header_that_does_not_end)
{
	fix(WHOLE);
	CHECK_STR(out.p, WHOLE "\r\n");
	done();
	fix(WHOLE "Subject: cut");
	CHECK_STR(out.p, WHOLE "Subject: cut\r\n\r\n");
	done();
}

TEST(test_submit_gives_a_bare_text_a_header)
{
	fix("Hello there\r\nBcc: is text here\r\n\r\n");
	CHECK(strncmp(out.p, "From: <ann@example.org>\r\n" DATE, 60) == 0);
	CHECK(strstr(out.p, ">\r\n\r\nHello there\r\nBcc: is text"));
	done();
	fix("");
	CHECK(strncmp(out.p, "From: <ann@example.org>\r\n" DATE, 60) == 0);
	CHECK_STR(out.p + out.len - 4, "\r\n\r\n");
	done();
}

TEST(test_submit_finds_everybody_the_message_speaks_for)
{
	fix("From: \"Ann, L\" <ann@example.org>,\r\n bob@example.net\r\n"
	    "Sender: carl@example.com\r\nFrom: dora@example.org\r\n"
	    "Reply-To: other@example.org\r\n\r\n");
	CHECK_EQ(senders.n, 4);
	CHECK_SPAN(senders.v[0].local, "ann");
	CHECK_SPAN(senders.v[1].domain, "example.net");
	CHECK_SPAN(senders.v[2].local, "carl");
	CHECK_SPAN(senders.v[3].local, "dora");
	CHECK(!senders.is_broken);
	done();
}

TEST(test_submit_tells_a_sender_that_is_none)
{
	fix("From: \r\n\r\n");
	CHECK(senders.is_broken);
	done();
	fix("From: Undisclosed:;\r\n\r\n");
	CHECK(senders.is_broken);
	done();
}

TEST(test_submit_caps_the_senders)
{
	struct buf head = BUF_INIT;

	buf_adds(&head, "From: a@b");
	for (int i = 0; i < SUBMIT_SENDERS_MAX; i++)
		buf_adds(&head, ", a@b");
	buf_adds(&head, "\r\n\r\n");
	fix(head.p);
	CHECK(senders.is_broken);
	CHECK_EQ(senders.n, SUBMIT_SENDERS_MAX);
	buf_release(&head);
	done();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_submit_leaves_a_whole_header_alone),
		cmocka_unit_test(test_submit_adds_what_is_missing),
		cmocka_unit_test(test_submit_takes_bcc_out_with_its_folds),
		cmocka_unit_test(test_submit_ends_a_header_that_does_not_end),
		cmocka_unit_test(test_submit_gives_a_bare_text_a_header),
		cmocka_unit_test(
		    test_submit_finds_everybody_the_message_speaks_for),
		cmocka_unit_test(test_submit_tells_a_sender_that_is_none),
		cmocka_unit_test(test_submit_caps_the_senders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
