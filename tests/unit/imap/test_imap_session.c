/*
 * What is too large, too late or too sudden for a wire script.
 */
#include "tests/check.h"

#include "imap/imap.h"
#include "imap/imap_priv.h"
#include "imap/notify.h"
#include "store/db_priv.h"
#include "store/store_priv.h"
#include "tests/driver.h"

#define DAY_MS (86400ll * 1000)

static const struct imap_settings settings = {
	.size_limit = 50u << 20, .has_starttls = true,
	.login = { PLAINTEXT_LOOPBACK, PASSWD_PARAMS_TEST },
};
static const struct session_maker maker = { imap_make, &settings };

static struct world w;

static int
setup(void **state)
{
	(void)state;
	world_open(&w);
	world_add_user(&w, "ann@example.org", "pw");
	return 0;
}

static int
teardown(void **state)
{
	struct buf why = BUF_INIT;
	int breaches;

	(void)state;
	breaches = world_close(&w, &why);
	if (breaches)
		print_error("%s\n", why.p);
	buf_release(&why);
	return breaches;
}

static void
deliver(struct span message, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		world_deliver(&w, "ann@example.org", "INBOX", message, 0);
}

/* What is said is answered with what is left in c->out. */
static void
say(struct client *c, const char *text)
{
	buf_clear(&c->out);
	client_send(c, text, strlen(text));
}

static struct client *
select_inbox(void)
{
	struct client *c = client_open(&w, &maker, "127.0.0.1", true);

	say(c, "l LOGIN ann pw\r\ns SELECT INBOX\r\n");
	CHECK(strstr(c->out.p, "s OK [READ-WRITE]"));
	buf_clear(&c->out);
	return c;
}

static struct imap *
imap_of(struct client *c)
{
	return CONTAINER_OF(c->session, struct imap, s);
}

static size_t
count(const struct buf *out, const char *what)
{
	size_t n = 0, len = strlen(what);

	for (const char *p = out->p; (p = memmem(p,
	    (size_t)(out->p + out->len - p), what, len)); p += len)
		n++;
	return n;
}

static void
many_copies(struct client *c, unsigned doublings)
{
	deliver(SPAN("Subject: x\r\n\r\ntext\r\n"), 100);
	for (unsigned i = 0; i < doublings; i++)
		say(c, "n NOOP\r\nc COPY 1:* INBOX\r\n");
	say(c, "n NOOP\r\n");
}

TEST(test_idle_session_is_small)
{
	struct client *c = select_inbox();

	say(c, "i IDLE\r\n");
	CHECK(sizeof(struct imap) < 2048);
	CHECK_EQ(imap_of(c)->framer.text.cap, 0);
	CHECK(!imap_of(c)->cmd.arena.head);
	say(c, "DONE\r\n");
	CHECK(!imap_of(c)->cmd.arena.head);
}

TEST(test_long_answers_are_cut_into_turns_and_arrive_whole)
{
	struct client *c = select_inbox();
	struct session *s = c->session;
	const char *p;
	size_t before;

	many_copies(c, 6);
	buf_clear(&c->out);
	s->ops->input(s, "f FETCH 1:* (UID FLAGS)\r\n", 25);
	CHECK_EQ(s->want, WANT_TURN);
	CHECK(c->out.len < 2 * IMAP_STEP_OUT);
	before = c->out.len;
	s->ops->turn(s);
	CHECK(c->out.len > before && c->out.len < before + 2 * IMAP_STEP_OUT);
	world_pump(&w);
	CHECK_EQ(count(&c->out, " FETCH (UID "), 6400);
	p = c->out.p;
	for (unsigned seq = 1; seq <= 6400; seq++) {
		char want[32];

		(void)snprintf(want, sizeof want, "* %u FETCH (UID %u ", seq,
		    seq);
		CHECK(strncmp(p, want, strlen(want)) == 0);
		p = strchr(p, '\n') + 1;
	}
	CHECK_STR(p, "f OK FETCH completed\r\n");
}

/* RFC 9051 7.5.1: and no EXPUNGE in it, whatever others do meanwhile. */
TEST(test_numbers_stay_while_a_fetch_is_cut)
{
	struct client *c = select_inbox(), *d;
	struct session *s = c->session;

	many_copies(c, 6);
	d = select_inbox();
	buf_clear(&c->out);
	s->ops->input(s, "f FETCH 1:* (UID)\r\n", 19);
	CHECK_EQ(s->want, WANT_TURN);
	s->want = WANT_PAUSE;	/* a slow client */
	say(d, "a STORE 1:3000,6400 +FLAGS.SILENT (\\Deleted)\r\n"
	    "b EXPUNGE\r\n");
	CHECK(strstr(d->out.p, "b OK"));
	s->want = WANT_TURN;
	world_pump(&w);
	CHECK_EQ(count(&c->out, " EXPUNGE"), 0);
	CHECK(strstr(c->out.p, "\r\n* 3100 FETCH (UID 3100)\r\n"));
	CHECK(strstr(c->out.p, "\r\n* 6400 FETCH (UID 6400)\r\n"));
	CHECK(strstr(c->out.p, "\r\nf OK FETCH completed\r\n"));
	say(c, "n NOOP\r\n");
	CHECK_EQ(count(&c->out, " EXPUNGE"), 3001);
	say(c, "f FETCH 1,* (UID)\r\n");
	CHECK_STR(c->out.p, "* 1 FETCH (UID 3001)\r\n"
	    "* 3399 FETCH (UID 6399)\r\nf OK FETCH completed\r\n");
}

static void
create_many(struct client *c, const char *name, unsigned n)
{
	char line[64];

	buf_clear(&c->out);
	for (unsigned i = 0; i < n; i++) {
		int len = snprintf(line, sizeof line, "c CREATE %s%u\r\n",
		    name, i);

		client_send(c, line, (size_t)len);
	}
	CHECK_EQ(count(&c->out, "c OK"), n);
}

/* In the middle of a long answer, with the client reading slowly. */
static struct client *
slow_client(const char *notify)
{
	struct client *c = select_inbox();
	struct session *s = c->session;

	many_copies(c, 6);
	say(c, notify);
	CHECK(strstr(c->out.p, "y OK"));
	buf_clear(&c->out);
	s->ops->input(s, "f FETCH 1:* (UID)\r\n", 19);
	CHECK_EQ(s->want, WANT_TURN);
	s->want = WANT_PAUSE;
	return c;
}

/* RFC 5465 5.8: what a client does not read is kept within bounds. */
TEST(test_too_many_names_are_an_overflow)
{
	struct client *c = slow_client("y NOTIFY SET (personal (MailboxName "
	    "MessageNew MessageExpunge))\r\n");
	struct client *d = select_inbox();

	create_many(d, "many", NOTIFY_NAMES_MAX + 1);
	CHECK_EQ(imap_of(c)->notify->notes.name_count, 0);
	c->session->want = WANT_TURN;
	world_pump(&w);
	CHECK_EQ(count(&c->out, "* OK [NOTIFICATIONOVERFLOW] "), 1);
	CHECK_EQ(count(&c->out, "* LIST"), 0);
	/* And as if there had been a NOTIFY NONE. */
	buf_clear(&c->out);
	create_many(d, "more", 1);
	CHECK_EQ(c->out.len, 0);
	say(c, "y NOTIFY SET (personal (MailboxName))\r\n");
	buf_clear(&c->out);
	create_many(d, "less", 1);
	CHECK_STR(c->out.p, "* LIST (\\HasNoChildren) \"/\" less0\r\n");
}

TEST(test_news_of_a_mailbox_is_noted_once)
{
	struct client *c = slow_client("y NOTIFY SET (mailboxes Sent "
	    "(MessageNew MessageExpunge))\r\n");
	struct client *d = select_inbox();

	for (unsigned i = 0; i < 500; i++)
		say(d, "c COPY 1 Sent\r\n");
	CHECK_EQ(imap_of(c)->notify->notes.box_count, 1);
	c->session->want = WANT_TURN;
	world_pump(&w);
	CHECK_EQ(count(&c->out, "* STATUS "), 1);
	CHECK(strstr(c->out.p, "\r\n* STATUS Sent (MESSAGES 500 UIDNEXT "
	    "501)\r\n"));
}

TEST(test_session_may_end_while_it_tells_news)
{
	struct client *c = select_inbox();
	struct session *s = c->session;

	say(c, "y NOTIFY SET (personal (MailboxName)) (selected (MessageNew "
	    "(BODY.PEEK[]) MessageExpunge))\r\ni IDLE\r\n");
	deliver(SPAN("Subject: x\r\n\r\ntext\r\n"), 1);
	CHECK(strstr(c->out.p, "* 1 FETCH (BODY[] {"));
	many_copies(select_inbox(), 2);
	CHECK(imap_of(c)->mode == MODE_IDLE);
	s->want = WANT_PAUSE;
	many_copies(select_inbox(), 2);
	s->ops->turn(s);
	CHECK(imap_of(c)->notify->outer.verb);
	client_close(c);
}

/* RFC 9585 section 4: every ten seconds, for who waits that long. */
TEST(test_long_commands_tell_of_their_progress)
{
	static const char search[] = "[x]1 SEARCH BODY nothing\r\n";
	struct client *c = select_inbox();
	struct session *s = c->session;

	many_copies(c, 4);
	buf_clear(&c->out);
	s->ops->input(s, "a1 COPY 1:* Sent\r\n", 18);
	CHECK_EQ(s->want, WANT_PAUSE);
	CHECK_EQ(s->deadline_ms, env_now_ms(&w.env) + IMAP_PROGRESS_MS);
	w.clock.now_ms += IMAP_PROGRESS_MS;
	s->ops->timeout(s);
	CHECK_STR(c->out.p,
	    "* OK [INPROGRESS (\"a1\" NIL NIL)] Still at it\r\n");
	CHECK_EQ(s->want, WANT_PAUSE);
	CHECK_EQ(s->deadline_ms, env_now_ms(&w.env) + IMAP_PROGRESS_MS);
	world_pump(&w);
	CHECK_EQ(count(&c->out, "INPROGRESS"), 1);
	CHECK_EQ(count(&c->out, "a1 OK [COPYUID "), 1);

	/* One that takes many steps, each of them short. */
	buf_clear(&c->out);
	s->ops->input(s, search, sizeof search - 1);
	CHECK_EQ(s->want, WANT_PAUSE);
	w.clock.now_ms += IMAP_PROGRESS_MS;
	world_pump(&w);
	CHECK_EQ(count(&c->out, "* OK [INPROGRESS (NIL "), 1);
	CHECK_EQ(count(&c->out, "INPROGRESS"), 1);
	CHECK(strstr(c->out.p, " 1600)] "));
	CHECK(strstr(c->out.p, "[x]1 OK"));
}

/* RFC 9738: what is over the limit waits, the lowest UIDs. */
TEST(test_commands_stop_at_the_limit_of_messages)
{
	static const struct imap_settings limited = {
		.size_limit = 50u << 20, .has_starttls = true,
		.message_limit = 10,
		.login = { PLAINTEXT_LOOPBACK, PASSWD_PARAMS_TEST },
	};
	static const struct session_maker m = { imap_make, &limited };
	struct client *c = client_open(&w, &m, "127.0.0.1", true);

	deliver(SPAN("Subject: x\r\n\r\ntext\r\n"), 25);
	say(c, "l LOGIN ann pw\r\ns SELECT INBOX\r\n");
	CHECK(strstr(c->out.p, " MESSAGELIMIT=10 "));
	say(c, "f FETCH 1:20 (UID)\r\n");
	CHECK_EQ(count(&c->out, " FETCH (UID "), 10);
	CHECK(strstr(c->out.p, "* 11 FETCH (UID 11)\r\n"));
	CHECK(strstr(c->out.p, "f OK [MESSAGELIMIT 10 11] FETCH"));
	say(c, "f UID FETCH 3,1:4,20:*,6:7 (UID)\r\n");
	CHECK(strstr(c->out.p, "* 3 FETCH (UID 3)\r\n"));
	CHECK_EQ(count(&c->out, " FETCH (UID "), 10);
	CHECK(strstr(c->out.p, "f OK [MESSAGELIMIT 10 3] FETCH"));
	say(c, "f UID FETCH 1:10 (UID)\r\n");
	CHECK(strstr(c->out.p, "f OK FETCH"));

	say(c, "x SEARCH ALL\r\n");
	CHECK(strstr(c->out.p, "* SEARCH 16 17 18 19 20 21 22 23 24 25\r\n"
	    "x OK [MESSAGELIMIT 10 16] "));
	say(c, "x UID SEARCH RETURN (ALL) UIDBEFORE 16 SUBJECT x\r\n");
	CHECK(strstr(c->out.p, " UID ALL 6:15\r\n"
	    "x OK [MESSAGELIMIT 10 6] "));
	say(c, "x UID SEARCH UIDBEFORE 6 UNSEEN\r\n");
	CHECK(strstr(c->out.p, "* SEARCH 1 2 3 4 5\r\nx OK SEARCH"));
	say(c, "x UID SEARCH UIDAFTER 23\r\n");
	CHECK(strstr(c->out.p, "* SEARCH 24 25\r\nx OK SEARCH"));

	say(c, "x UID FETCH 1:* (UID) (PARTIAL 1:11)\r\n"
	    "x SEARCH RETURN (PARTIAL -1:-11) ALL\r\n");
	CHECK_EQ(count(&c->out, "x NO [MESSAGELIMIT 10] The page"), 2);
	say(c, "x UID FETCH 1:* (UID) (PARTIAL 2:3)\r\n");
	CHECK(strstr(c->out.p, "* 3 FETCH (UID 3)\r\nx OK FETCH"));

	say(c, "y STORE 1:* +FLAGS.SILENT (\\Deleted)\r\n");
	CHECK_STR(c->out.p, "y OK [MESSAGELIMIT 10 16] STORE completed\r\n");
	say(c, "y UID STORE 1:15 +FLAGS.SILENT (\\Deleted)\r\n");
	CHECK_STR(c->out.p, "y OK [MESSAGELIMIT 10 6] STORE completed\r\n");
	say(c, "c COPY 1:* Sent\r\n");
	CHECK_STR(c->out.p,
	    "c NO [MESSAGELIMIT 10 16] Too many messages at once\r\n");
	say(c, "c UID COPY 1:10 Sent\r\n");
	CHECK(strstr(c->out.p, "c OK [COPYUID "));
	/* Only what is \Deleted counts. */
	say(c, "e UID EXPUNGE 1:17\r\n");
	CHECK_EQ(count(&c->out, " EXPUNGE\r\n"), 10);
	CHECK(strstr(c->out.p, "e OK [MESSAGELIMIT 10 8] EXPUNGE"));
	say(c, "m UID MOVE 1:* Sent\r\n");
	CHECK_EQ(count(&c->out, " EXPUNGE\r\n"), 10);
	CHECK(strstr(c->out.p, "* OK [COPYUID "));
	CHECK(strstr(c->out.p, "m OK [MESSAGELIMIT 10 6] MOVE"));
	say(c, "e EXPUNGE\r\nm UID MOVE 1:* Sent\r\n");
	CHECK(strstr(c->out.p, "m OK MOVE"));
	CHECK_EQ(view_count(&imap_of(c)->view), 0);
}

/* Every look at it shows that time has passed. */
static int64_t
hasty_us(struct clock *clock)
{
	static int64_t us;

	(void)clock;
	return us += IMAP_STEP_US / 2;
}

/* Whether the session answers now, without a turn of anybody's. */
static bool
is_answered_at_once(struct client *c)
{
	buf_clear(&c->out);
	c->session->ops->input(c->session, "n NOOP\r\n", 8);
	return strcmp(c->out.p, "n OK NOOP completed\r\n") == 0;
}

/* Runs a command turn by turn; how many there are, with others in between. */
static unsigned
turns_of(struct client *c, struct client *other, const char *command)
{
	struct session *s = c->session;
	unsigned turns = 0;
	size_t before = 0;

	buf_clear(&c->out);
	s->ops->input(s, command, strlen(command));
	while (s->want == WANT_TURN || s->want == WANT_DRAIN) {
		CHECK(c->out.len - before < 2 * IMAP_STEP_OUT);
		CHECK(is_answered_at_once(other));
		before = c->out.len;
		s->ops->turn(s);
		turns++;
	}
	CHECK_EQ(s->want, WANT_INPUT);
	CHECK(strstr(c->out.p, "x OK"));
	return turns;
}

TEST(test_others_are_answered_before_the_next_slice)
{
	static const char *const commands[] = {
		"x FETCH 1:* (UID FLAGS)\r\n",
		"x SEARCH NOT (KEYWORD a SEEN) OR LARGER 5 UID 1:9999\r\n",
		"x UID SEARCH RETURN (ALL) OLDER 1 NOT UNSEEN\r\n",
	};
	struct client *c = select_inbox(), *other = select_inbox();
	struct clock *clock = &w.clock.clock;
	int64_t (*mono_us)(struct clock *) = clock->mono_us;

	many_copies(c, 6);
	say(other, "n NOOP\r\n");
	clock->mono_us = hasty_us;
	for (size_t i = 0; i < COUNT(commands); i++)
		CHECK(turns_of(c, other, commands[i]) >= 6400 / 128 - 1);
	clock->mono_us = mono_us;
}

static void
put_large(struct buf *m, size_t size)
{
	buf_adds(m, "Subject: large\r\n\r\n");
	while (m->len < size)
		buf_printf(m, "line at %zu\r\n", m->len);
}

TEST(test_large_messages_arrive_whole)
{
	struct buf m = BUF_INIT, want = BUF_INIT;
	struct client *c;

	put_large(&m, 200 * 1000);
	deliver(buf_span(&m), 4);
	c = select_inbox();
	for (unsigned i = 1; i <= 4; i++)
		buf_printf(&want, "* %u FETCH (BODY[] {%zu}\r\n%s BODY[TEXT]"
		    "<70000> {70001}\r\n%.*s BODY[HEADER] {18}\r\n"
		    "Subject: large\r\n\r\n)\r\n", i, m.len, m.p, 70001,
		    m.p + 18 + 70000);
	buf_adds(&want, "f OK FETCH completed\r\n");
	say(c, "f FETCH 1:4 (BODY.PEEK[] BODY.PEEK[TEXT]<70000.70001> "
	    "BODY.PEEK[HEADER])\r\n");
	CHECK(span_eq(buf_span(&c->out), buf_span(&want)));
	buf_release(&m);
	buf_release(&want);
}

static void
put_long_header(struct buf *m)
{
	buf_adds(m, "Subject: long\r\nX-Long: 1");
	while (m->len < 150 * 1000)
		buf_adds(m, "\r\n and more and more and more");
	buf_adds(m, "\r\nTo: x@example.org\r\n\r\ntext\r\n");
}

TEST(test_headers_of_many_pieces_are_filtered_whole)
{
	struct buf m = BUF_INIT;
	struct client *c;

	put_long_header(&m);
	deliver(buf_span(&m), 2);
	c = select_inbox();
	say(c, "f FETCH 1:2 (BODY.PEEK[HEADER.FIELDS (to Subject)] UID)\r\n");
	CHECK_STR(c->out.p,
	    "* 1 FETCH (UID 1 BODY[HEADER.FIELDS (to Subject)] {36}\r\n"
	    "Subject: long\r\nTo: x@example.org\r\n\r\n)\r\n"
	    "* 2 FETCH (UID 2 BODY[HEADER.FIELDS (to Subject)] {36}\r\n"
	    "Subject: long\r\nTo: x@example.org\r\n\r\n)\r\n"
	    "f OK FETCH completed\r\n");
	buf_release(&m);
}

TEST(test_header_without_memory_for_it_is_nil_for_now)
{
	struct buf m = BUF_INIT;
	struct client *c;
	size_t limit = w.budget.limit;

	put_long_header(&m);
	deliver(buf_span(&m), 1);
	c = select_inbox();
	w.budget.limit = budget_used(&w.budget) + 70 * 1000;
	say(c, "f FETCH 1 (BODY.PEEK[HEADER.FIELDS (to)] UID)\r\n");
	w.budget.limit = limit;
	CHECK_STR(c->out.p, "* 1 FETCH (UID 1 BODY[HEADER.FIELDS (to)] NIL)"
	    "\r\nf NO [UNAVAILABLE] Trouble here, try again later\r\n");
	CHECK(strstr(w.complaints.p, "command-trouble"));
	buf_clear(&w.complaints);
	buf_release(&m);
}

/* The store forgets what was expunged a month ago. */
static void
purge(void)
{
	for (int i = 0; i < 4; i++) {
		fake_clock_advance(&w.clock, 40 * DAY_MS);
		store_tick(w.store);
		world_pump(&w);
	}
}

/* RFC 5530 section 3, RFC 2180 section 4.1. */
TEST(test_purged_bodies_are_nil)
{
	struct span m = SPAN("Subject: x\r\n\r\ntext\r\n");
	struct client *c, *d;

	deliver(m, 3);
	c = select_inbox();
	d = select_inbox();
	say(d, "a STORE 2 +FLAGS.SILENT (\\Deleted)\r\nb EXPUNGE\r\n");
	purge();
	say(c, "f FETCH 2:3 (UID BODY.PEEK[TEXT])\r\n");
	CHECK(strstr(c->out.p, "* 2 FETCH (UID 2 BODY[TEXT] NIL)\r\n"
	    "* 3 FETCH (UID 3 BODY[TEXT] {6}\r\ntext\r\n)\r\n"));
	CHECK(strstr(c->out.p, "f OK [EXPUNGEISSUED] FETCH completed\r\n"));
	say(c, "f FETCH 2 (BODY.PEEK[] BODY.PEEK[HEADER])\r\n");
	CHECK_STR(c->out.p, "* 2 FETCH (BODY[] NIL BODY[HEADER] NIL)\r\n"
	    "f OK [EXPUNGEISSUED] FETCH completed\r\n");
	say(c, "f FETCH 2 (ENVELOPE BODYSTRUCTURE)\r\n");
	CHECK_STR(c->out.p, "* 2 FETCH (ENVELOPE (NIL NIL NIL NIL NIL NIL NIL"
	    " NIL NIL NIL) BODYSTRUCTURE (\"text\" \"plain\" (\"charset\""
	    " \"us-ascii\") NIL NIL \"7BIT\" 0 0 NIL NIL NIL NIL))\r\n"
	    "f OK [EXPUNGEISSUED] FETCH completed\r\n");
	say(c, "n NOOP\r\n");
	CHECK_STR(c->out.p, "* 2 EXPUNGE\r\nn OK NOOP completed\r\n");
}

/* Whatever a session waits for, it may end then. */
TEST(test_sessions_may_end_at_any_step)
{
	static const char *const commands[] = {
		"a SELECT INBOX\r\n", "a FETCH 1:* BODY[]\r\n",
		"a FETCH 1:* (BODY.PEEK[TEXT] ENVELOPE)\r\n",
		"a STORE 1:* +FLAGS (x)\r\n", "a COPY 1:* Trash\r\n",
		"a MOVE 1 Trash\r\n", "a EXPUNGE\r\n", "a CLOSE\r\n",
		"a IDLE\r\n", "a AUTHENTICATE PLAIN\r\n",
	};

	for (size_t i = 0; i < COUNT(commands); i++) {
		for (int steps = 0; steps < 5; steps++) {
			struct client *c;

			deliver(SPAN("Subject: x\r\n\r\ntext\r\n"), 2);
			c = select_inbox();
			say(c, "s STORE 1 +FLAGS.SILENT (\\Deleted)\r\n");
			c->session->ops->input(c->session, commands[i],
			    strlen(commands[i]));
			for (int j = 0; j < steps; j++) {
				store_pump(w.store);
				post_drain(&w.home);
			}
			client_close(c);
			world_pump(&w);
		}
	}
}

/* Chunks of what was given up come home to nobody. */
TEST(test_append_that_breaks_off_does_not_disturb_the_next)
{
	struct client *c = select_inbox();
	struct buf m = BUF_INIT, in = BUF_INIT;

	put_large(&m, 400 * 1000);
	buf_printf(&in, "a APPEND Drafts {%zu+}\r\n%s garbage\r\n"
	    "b APPEND Drafts {%zu+}\r\n%s\r\nc STATUS Drafts (MESSAGES)"
	    "\r\n", m.len, m.p, m.len, m.p);
	client_send(c, in.p, in.len);
	CHECK(strstr(c->out.p, "a BAD "));
	CHECK(strstr(c->out.p, "b OK [APPENDUID "));
	CHECK(strstr(c->out.p, "* STATUS Drafts (MESSAGES 1)\r\n"));
	say(c, "s SELECT Drafts\r\nf FETCH 1 BODY[]\r\n");
	CHECK(strstr(c->out.p, m.p));
	buf_release(&m);
	buf_release(&in);
}

TEST(test_shutdown_waits_for_a_commit_and_not_for_a_reader)
{
	struct client *c = select_inbox();
	struct session *s = c->session;

	many_copies(c, 6);
	buf_clear(&c->out);
	s->ops->input(s, "a STORE 1 +FLAGS.SILENT (\\Seen)\r\n", 33);
	CHECK_EQ(s->want, WANT_PAUSE);
	s->ops->stop(s, STOP_SHUTDOWN);
	CHECK_EQ(c->out.len, 0);
	world_pump(&w);
	CHECK_STR(c->out.p, "a OK STORE completed\r\n"
	    "* BYE The server is going down\r\n");
	CHECK(c->is_closed);
	c = select_inbox();
	s = c->session;
	s->ops->input(s, "f FETCH 1:* (UID)\r\n", 19);
	CHECK_EQ(s->want, WANT_TURN);
	s->ops->stop(s, STOP_SHUTDOWN);
	CHECK_EQ(s->want, WANT_CLOSE);
	CHECK_EQ(count(&c->out, "BYE"), 0);
}

/*
 * RFC 7162 section 3.2.6: asked for more than the store remembers, all that
 * is not there is told, and the client's sample spares it some of that.
 */
TEST(test_vanished_below_the_floor_is_all_that_is_not_there)
{
	struct client *c = select_inbox();
	struct buf select = BUF_INIT;

	deliver(SPAN("Subject: x\r\n\r\ntext\r\n"), 9);
	say(c, "e ENABLE QRESYNC\r\ns STORE 2,5:6,9 +FLAGS.SILENT (\\Deleted)"
	    "\r\nx EXPUNGE\r\n");
	CHECK_EQ(db_exec(&w.store->db, "UPDATE mailbox SET vanished_floor ="
	    " modseq"), 0);
	say(c, "f UID FETCH 1:* (UID) (CHANGEDSINCE 1 VANISHED)\r\n");
	CHECK(strstr(c->out.p, "* VANISHED (EARLIER) 2,5:6,9\r\n"));
	say(c, "f UID FETCH 3:5,100:200 (UID) (CHANGEDSINCE 1 VANISHED)\r\n");
	CHECK(strstr(c->out.p, "* VANISHED (EARLIER) 5\r\n"));
	deliver(SPAN("Subject: not told of yet\r\n\r\n"), 1);
	say(c, "f UID FETCH 1:* (UID) (CHANGEDSINCE 1 VANISHED)\r\n");
	CHECK(strstr(c->out.p, "* VANISHED (EARLIER) 2,5:6,9\r\n"));
	buf_printf(&select, "s SELECT INBOX (QRESYNC (%u 1 1:9 (1:3 1,3:4)))"
	    "\r\n", (unsigned)view_uidvalidity(&imap_of(c)->view));
	say(c, select.p);
	CHECK(strstr(c->out.p, "* VANISHED (EARLIER) 5:6,9\r\n"));
	buf_release(&select);
}

#define IN_A_WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_WORLD(test_idle_session_is_small),
		IN_A_WORLD(
		    test_long_answers_are_cut_into_turns_and_arrive_whole),
		IN_A_WORLD(test_numbers_stay_while_a_fetch_is_cut),
		IN_A_WORLD(test_too_many_names_are_an_overflow),
		IN_A_WORLD(test_news_of_a_mailbox_is_noted_once),
		IN_A_WORLD(test_session_may_end_while_it_tells_news),
		IN_A_WORLD(test_long_commands_tell_of_their_progress),
		IN_A_WORLD(test_others_are_answered_before_the_next_slice),
		IN_A_WORLD(test_commands_stop_at_the_limit_of_messages),
		IN_A_WORLD(test_large_messages_arrive_whole),
		IN_A_WORLD(test_headers_of_many_pieces_are_filtered_whole),
		IN_A_WORLD(test_header_without_memory_for_it_is_nil_for_now),
		IN_A_WORLD(test_purged_bodies_are_nil),
		IN_A_WORLD(test_sessions_may_end_at_any_step),
		IN_A_WORLD(
		    test_append_that_breaks_off_does_not_disturb_the_next),
		IN_A_WORLD(
		    test_shutdown_waits_for_a_commit_and_not_for_a_reader),
		IN_A_WORLD(
		    test_vanished_below_the_floor_is_all_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
