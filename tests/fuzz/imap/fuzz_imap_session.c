/*
 * The IMAP session in each of its states: the first byte chooses one, the
 * rest is what a client sends then. Where the input is split changes nothing
 * that is answered.
 */
#include <assert.h>

#include "imap/imap.h"
#include "server/base/xalloc.h"
#include "tests/fuzz/pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct imap_settings settings = {
	.size_limit = 4096, .has_starttls = true,
	.login = { PLAINTEXT_LOOPBACK, PASSWD_PARAMS_TEST },
};
static const struct session_maker maker = { imap_make, &settings };

#define LOGIN "l LOGIN ann pw\r\n"
#define SELECT LOGIN "s SELECT INBOX\r\n"

static const char *const states[] = {
	"",
	"a AUTHENTICATE PLAIN\r\n",
	"a AUTHENTICATE SCRAM-SHA-256\r\n",
	"l LOGIN {3}\r\n",
	LOGIN,
	LOGIN "a APPEND Drafts (\\Seen) {40+}\r\nSubject: x\r\n",
	LOGIN "i IDLE\r\n",
	SELECT,
	LOGIN "s EXAMINE INBOX\r\n",
	SELECT "d STORE 2 +FLAGS.SILENT (\\Deleted work)\r\n",
	SELECT "i IDLE\r\n",
	SELECT "f FETCH 1:* BODY.PEEK[]\r\n",
};

static const struct span messages[] = {
	SPAN("Subject: one\r\n\r\ntext\r\n"),
	SPAN("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n"
	    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\n"
	    "two\r\n--b--\r\n"),
	SPAN("From: \xc3\xa4 <a@b>\r\nTo: x:;\r\n\r\n\0NUL and no end"),
	SPAN(""),
};

static void
deliver(struct world *w)
{
	for (size_t i = 0; i < COUNT(messages); i++)
		world_deliver(w, "ann@example.org", "INBOX", messages[i], 0);
}

static void
setup(struct world *w)
{
	world_add_user(w, "ann@example.org", "pw");
	deliver(w);
}

/* Messages that are copied a dozen times on themselves fill the memory. */
static bool
copies_too_much(const uint8_t *data, size_t size)
{
	struct span s = span_make((const char *)data, size);
	unsigned n = 0;

	for (size_t i = 0; i < size; i++)
		n += span_istarts(span_from(s, i), "COPY ") ||
		    span_istarts(span_from(s, i), "MOVE ");
	return n > 3;
}

/* Whoever guessed wrong is let in again, and news come in. */
static void
prepare(struct pair *p)
{
	for (size_t i = 0; i < COUNT(p->worlds) && p->runs; i++) {
		fake_clock_advance(&p->worlds[i].clock, 3600 * 1000);
		if (p->runs % 16 == 15)
			deliver(&p->worlds[i]);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pair pair = { .setup = setup };
	struct buf out = BUF_INIT;

	if (size == 0 || copies_too_much(data, size))
		return 0;
	prepare(&pair);
	pair_run(&pair, &maker, states[data[0] % COUNT(states)], data + 1,
	    size - 1, &out);
	assert(out.len == 0 || out.p[out.len - 1] == '\n');
	buf_release(&out);
	return 0;
}
