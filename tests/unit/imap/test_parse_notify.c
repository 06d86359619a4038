#include "imap/parse.h"

#include "imap/imap_limits.h"
#include "tests/check.h"
#include "tests/unit/imap/parsing.h"

TEST(test_parse_notify_knows_filters_and_events)
{
	struct parsing *t = parsing_new(SPAN(" SET STATUS "
	    "(selected-delayed (MessageNew (uid flags body.peek[1]) "
	    "messageexpunge FlagChange)) (mailboxes (a \"b/c/\" inbox) "
	    "(MailboxName SubscriptionChange)) (subtree d NONE) (PERSONAL "
	    "(ServerMetadataChange)) (subscribed NONE) (inboxes NONE)"));
	const struct imap_notify_args *a = &t->args.notify;

	CHECK_EQ(parsing_run(t, imap_parse_notify), PARSE_OK);
	CHECK(a->set && a->status && a->has_selected && a->delayed);
	CHECK_EQ(a->selected, NOTIFY_NEW | NOTIFY_EXPUNGE | NOTIFY_FLAGS);
	CHECK(a->has_fetch && !a->has_bad_event);
	CHECK_EQ(a->fetch.items, FETCH_UID | FETCH_FLAGS);
	CHECK_EQ(a->fetch.body_count, 1);
	CHECK_EQ(a->group_count, 5);
	CHECK_EQ(a->groups[0].filter, NOTIFY_MAILBOXES);
	CHECK_EQ(a->groups[0].name_count, 3);
	CHECK_SPAN(a->groups[0].names[1], "b/c");
	CHECK_SPAN(a->groups[0].names[2], "INBOX");
	CHECK_EQ(a->groups[0].events, NOTIFY_NAME | NOTIFY_SUBSCRIPTION);
	CHECK_EQ(a->groups[1].filter, NOTIFY_SUBTREE);
	CHECK_EQ(a->groups[1].events, 0);
	CHECK_EQ(a->groups[2].events, NOTIFY_SERVER_METADATA);
	parsing_free(t);
}

TEST(test_parse_notify_tells_unknown_events_from_bad_syntax)
{
	struct parsing *t = parsing_new(SPAN(" SET (personal (Weather "
	    "MessageNew))"));

	CHECK_EQ(parsing_run(t, imap_parse_notify), PARSE_OK);
	CHECK(t->args.notify.has_bad_event);
	parsing_free(t);
	check_bad(imap_parse_notify, SPAN(" SET (personal (MessageNew))"),
	    "MessageNew and MessageExpunge go together, and with "
	    "FlagChange");
	check_bad(imap_parse_notify, SPAN(" SET (selected (MailboxName))"),
	    "SELECTED is about messages only");
}

TEST(test_parse_notify_has_limits)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, " SET");
	for (unsigned i = 0; i <= IMAP_NOTIFY_GROUPS_MAX; i++)
		buf_adds(&b, " (personal NONE)");
	check_bad(imap_parse_notify, buf_span(&b),
	    "too many groups of events");
	buf_clear(&b);
	buf_adds(&b, " SET (mailboxes (a");
	for (unsigned i = 0; i < IMAP_NOTIFY_NAMES_MAX; i++)
		buf_adds(&b, " a");
	buf_adds(&b, ") NONE)");
	check_bad(imap_parse_notify, buf_span(&b), "too many mailboxes");
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_notify_knows_filters_and_events),
		cmocka_unit_test(
		    test_parse_notify_tells_unknown_events_from_bad_syntax),
		cmocka_unit_test(test_parse_notify_has_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
