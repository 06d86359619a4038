/*
 * The receiving session in each of its states: the first byte chooses one,
 * the rest is what a client sends then. Whatever it is, replies are lines of
 * the protocol, and where the input is split changes none of them.
 */
#include <assert.h>

#include "server/base/xalloc.h"
#include "smtp/smtp_in.h"
#include "tests/fuzz/pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_LIMIT 2000

static const struct smtp_settings mx = {
	.service = SMTP_MX, .size_limit = SIZE_LIMIT, .rcpts_max = 4,
};

static const struct smtp_settings submission = {
	.service = SMTP_SUBMISSION, .size_limit = SIZE_LIMIT, .rcpts_max = 4,
	.is_lenient = true,
	.login = { PLAINTEXT_LOOPBACK, PASSWD_PARAMS_TEST },
};

static const struct session_maker makers[] = {
	{ smtp_in_make, &mx }, { smtp_in_make, &submission },
};

#define HELLO "EHLO a\r\n"
#define LOGIN HELLO "AUTH PLAIN AGFubgBwdw==\r\n"
#define MAIL "MAIL FROM:<ann@example.org>\r\n"
#define RCPT MAIL "RCPT TO:<bob@example.org>\r\n"
#define X16 "xxxxxxxxxxxxxxxx"
#define X256 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16
#define X4096 X256 X256 X256 X256 X256 X256 X256 X256 \
	X256 X256 X256 X256 X256 X256 X256 X256

static const struct {
	int maker;
	const char *prefix;
} states[] = {
	{ 0, "" },
	{ 0, HELLO },
	{ 0, HELLO MAIL },
	{ 0, HELLO RCPT },
	{ 0, HELLO RCPT "DATA\r\n" },
	{ 0, HELLO RCPT "BDAT 40\r\n" },
	{ 0, HELLO RCPT "BDAT 20 LAST\r\n" },
	{ 0, HELLO X4096 },
	{ 1, "" },
	{ 1, HELLO "AUTH PLAIN\r\n" },
	{ 1, HELLO "AUTH LOGIN YW5u\r\n" },
	{ 1, HELLO "AUTH SCRAM-SHA-256\r\n" },
	{ 1, LOGIN },
	{ 1, LOGIN RCPT },
	{ 1, LOGIN RCPT "DATA\r\n" },
	{ 1, LOGIN RCPT "BDAT 30\r\n" },
};

static void
setup(struct world *w)
{
	world_add_user(w, "ann@example.org", "pw");
	world_add_user(w, "bob@example.org", "pw");
	world_add_alias(w, "all@example.org", "ann@example.org");
	world_add_alias(w, "all@example.org", "bob@example.org");
}

/* RFC 5321 section 4.2: every line is "250 text" or "250-text". */
static void
check_lines(struct span out)
{
	while (out.len) {
		const char *end = memmem(out.p, out.len, "\r\n", 2);
		size_t len;

		assert(end);
		len = (size_t)(end - out.p);
		assert(len >= 4 && len <= 510);
		assert(out.p[0] >= '2' && out.p[0] <= '5');
		assert(out.p[3] == ' ' || out.p[3] == '-');
		for (size_t i = 0; i < len; i++)
			assert((unsigned char)out.p[i] >= ' ' &&
			    out.p[i] != 0x7f);
		out = span_from(out, len + 2);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pair pair = { .setup = setup };
	struct buf out = BUF_INIT;
	size_t i;

	if (size == 0)
		return 0;
	i = data[0] % COUNT(states);
	pair_run(&pair, &makers[states[i].maker], states[i].prefix, data + 1,
	    size - 1, &out);
	check_lines(buf_span(&out));
	buf_release(&out);
	return 0;
}
