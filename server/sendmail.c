#include "server/sendmail.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "server/admin.h"
#include "server/base/arena.h"
#include "server/base/buf.h"
#include "server/base/xalloc.h"
#include "server/command.h"
#include "server/config.h"
#include "store/mime/address.h"
#include "store/mime/digest.h"
#include "store/mime/header.h"

struct called {
	bool from_header;		/* -t */
	bool ignores_dots;		/* -i, -oi */
	const char *sender;		/* -f; NULL: who calls */
	const char *name;		/* -F; NULL: none */
	char **rcpts;
	size_t rcpt_count;
	struct buf message;
	struct arena arena;
};

bool
sendmail_is_called(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	return strcmp(slash ? slash + 1 : argv0, "sendmail") == 0;
}

static void
add_rcpt(struct called *c, const char *address)
{
	c->rcpts = xreallocarray(c->rcpts, c->rcpt_count + 2,
	    sizeof *c->rcpts);
	c->rcpts[c->rcpt_count++] = arena_str(&c->arena, span_of(address));
}

/* Options that change nothing here are taken and forgotten. */
static int
take_options(struct called *c, int argc, char **argv)
{
	int o;

	opterr = 0;
	while ((o = getopt(argc, argv, "tif:F:r:o:b:B:N:R:V:X:O:q:d:C:h:p:v")) !=
	    -1) {
		if (o == 't')
			c->from_header = true;
		else if (o == 'i' || (o == 'o' && strcmp(optarg, "i") == 0))
			c->ignores_dots = true;
		else if (o == 'f' || o == 'r')
			c->sender = optarg;
		else if (o == 'F')
			c->name = optarg;
		else if (o == '?' || (o == 'b' && strcmp(optarg, "m") != 0))
			return EX_USAGE;
	}
	for (; optind < argc; optind++)
		add_rcpt(c, argv[optind]);
	return EX_OK;
}

/* Standard input up to its end or, unless told otherwise, a lone dot. */
static int
read_message(struct called *c)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) > 0) {
		struct span s = span_make(line, (size_t)n);

		if (!c->ignores_dots && (span_is(s, ".\n") ||
		    span_is(s, ".\r\n")))
			break;
		buf_addspan(&c->message, s);
		if (c->message.len > SEND_MAX)
			break;
	}
	free(line);
	if (ferror(stdin))
		return EX_IOERR;
	return c->message.len > SEND_MAX ? EX_DATAERR : EX_OK;
}

/* The header, without the blank line. */
static struct span
header_of(const struct called *c)
{
	struct span s = buf_span(&c->message);
	const char *lf = memmem(s.p, s.len, "\n\n", 2);
	const char *crlf = memmem(s.p, s.len, "\r\n\r\n", 4);
	const char *end = lf && (!crlf || lf < crlf) ? lf : crlf;

	return end ? span_head(s, (size_t)(end - s.p) + 1) : s;
}

static void
add_header_rcpts(struct called *c)
{
	static const char *const names[] = { "To", "Cc", "Bcc" };
	struct field_iter it;
	struct header_field f;

	field_iter_init(&it, header_of(c));
	while (field_iter_next(&it, &f)) {
		struct addrlist list = { 0 };
		struct buf text = BUF_INIT;
		size_t i = 0;

		while (i < COUNT(names) && !span_iis(f.name, names[i]))
			i++;
		if (i == COUNT(names))
			continue;
		header_unfold(&text, f.value);
		address_list_parse(arena_span(&c->arena, buf_span(&text)),
		    &c->arena, &list);
		buf_release(&text);
		for (i = 0; i < list.n; i++)
			if (list.v[i].kind == ADDR_MAILBOX)
				add_rcpt(c, arena_printf(&c->arena,
				    list.v[i].domain.len ? "%.*s@%.*s" :
				    "%.*s%.*s", SPAN_ARG(list.v[i].local),
				    SPAN_ARG(list.v[i].domain)));
	}
}

static bool
has_field(const struct called *c, const char *name)
{
	struct field_iter it;
	struct header_field f;

	field_iter_init(&it, header_of(c));
	while (field_iter_next(&it, &f))
		if (span_iis(f.name, name))
			return true;
	return false;
}

/* Who calls, at this server. */
static const char *
caller(struct called *c, const struct config *config)
{
	struct passwd *pw = getpwuid(getuid());

	return arena_printf(&c->arena, "%s@%s", pw ? pw->pw_name : "nobody",
	    config->hostname);
}

/* A From field for a message that has none. */
static void
add_from(struct called *c)
{
	struct buf whole = BUF_INIT;

	if (has_field(c, "From") || strcmp(c->sender, "<>") == 0)
		return;
	if (c->name)
		buf_printf(&whole, "From: \"%s\" <%s>\n", c->name, c->sender);
	else
		buf_printf(&whole, "From: %s\n", c->sender);
	for (char *p = whole.p; *p; p++)
		if (*p == '\r' || *p == '\\')
			*p = '?';
	buf_addspan(&whole, buf_span(&c->message));
	buf_swap(&c->message, &whole);
	buf_release(&whole);
}

static int
send_message(struct called *c, const char *config_path)
{
	struct command_options o = { .config_path = config_path };
	struct buf why = BUF_INIT;
	struct config *config = config_read(config_path, &why);
	int status = EX_CONFIG;

	if (!config) {
		fprintf(stderr, "sendmail: %s\n", why.p);
		buf_release(&why);
		return status;
	}
	if (!c->sender)
		c->sender = caller(c, config);
	if (!*c->sender)
		c->sender = "<>";
	add_from(c);
	status = command_send(c->sender, c->rcpts, c->rcpt_count,
	    buf_span(&c->message), &o) == EXIT_DONE ? EX_OK : EX_TEMPFAIL;
	config_free(config);
	buf_release(&why);
	return status;
}

int
sendmail_run(int argc, char **argv, const char *config_path)
{
	struct called c = { .message = BUF_INIT };
	int status = take_options(&c, argc, argv);

	if (status == EX_OK)
		status = read_message(&c);
	if (status == EX_DATAERR)
		fprintf(stderr, "sendmail: the message is larger than %u "
		    "bytes\n", SEND_MAX);
	if (status == EX_OK && c.from_header)
		add_header_rcpts(&c);
	if (status == EX_OK && c.rcpt_count == 0) {
		fprintf(stderr, "sendmail: there is no recipient\n");
		status = EX_USAGE;
	}
	if (status == EX_OK)
		status = send_message(&c, config_path);
	free(c.rcpts);
	buf_release(&c.message);
	arena_release(&c.arena);
	return status;
}
