/*
 * The POP3 session in each of its states: the first byte chooses one, the
 * rest is what a client sends then. Where the input is split changes nothing
 * that is answered, whatever was fetched in one job.
 */
#include <assert.h>

#include "pop3/pop3.h"
#include "server/base/xalloc.h"
#include "tests/fuzz/pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct pop3_settings settings = {
	.login = { PLAINTEXT_LOOPBACK, PASSWD_PARAMS_TEST },
};
static const struct session_maker maker = { pop3_make, &settings };

#define LOGIN "USER ann\r\nPASS pw\r\n"
#define X16 "xxxxxxxxxxxxxxxx"
#define X256 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16

static const char *const states[] = {
	"",
	"USER ann\r\n",
	"AUTH PLAIN\r\n",
	"AUTH SCRAM-SHA-256\r\n",
	X256 X256,
	LOGIN,
	LOGIN "DELE 1\r\n",
	LOGIN "RETR 1\r\nTOP 2 0\r\n",
};

static const struct span messages[] = {
	SPAN("Subject: one\r\n\r\n.\r\n..two\r\n"),
	SPAN("Subject: no blank line\r\n"),
	SPAN("\r\n\0NUL and no end"),
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

/* The session's own words: "+OK ...", "-ERR ...", and "+ " for SASL. */
static void
check_first(struct span out)
{
	if (out.len)
		assert(span_starts(out, "+OK") || span_starts(out, "-ERR ") ||
		    span_starts(out, "+ "));
	assert(out.len == 0 || out.p[out.len - 1] == '\n');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pair pair = { .setup = setup };
	struct buf out = BUF_INIT;

	if (size == 0)
		return 0;
	/* What QUIT has deleted is made good from time to time. */
	if (pair.runs % 16 == 15)
		for (size_t i = 0; i < COUNT(pair.worlds); i++)
			deliver(&pair.worlds[i]);
	pair_run(&pair, &maker, states[data[0] % COUNT(states)], data + 1,
	    size - 1, &out);
	check_first(buf_span(&out));
	buf_release(&out);
	return 0;
}
