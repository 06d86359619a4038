#include "server/base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/base/err.h"

/* Below PIPE_BUF, so that a pipe takes a line whole or not at all. */
#define LOG_LINE_MAX 2048
#define LOG_VALUE_MAX 512	/* bytes of one value before it is cut */
#define LOG_ESCAPE_MAX 4	/* "\x1b" */
#define LOG_TAIL 8		/* always left: `..."`, the mark, the LF */

struct line {
	size_t len;
	char p[LOG_LINE_MAX];
};

/* Bytes left before the tail; 0 once a cut value has used of the tail. */
static size_t
line_room(const struct line *line)
{
	size_t max = LOG_LINE_MAX - LOG_TAIL;

	return line->len < max ? max - line->len : 0;
}

/* Adds what is ours: all of it or, when it does not fit, nothing. */
__attribute__((format(printf, 2, 3)))
static void
line_printf(struct line *line, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line->p + line->len, line_room(line), fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < line_room(line))
		line->len += (size_t)n;
}

/* Bytes that mean nothing to a reader of key=value lines or a terminal. */
static bool
is_plain(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

static bool
is_plain_value(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_plain((unsigned char)s.p[i]))
			return false;
	return s.len > 0;
}

/* One byte inside quotes. Beyond ASCII all is escaped: no bidi, no C1. */
static void
line_escape(struct line *line, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	char *p = line->p + line->len;

	if (c >= ' ' && c < 0x7f && c != '"' && c != '\\') {
		p[0] = (char)c;
		line->len += 1;
	} else if (c == '"' || c == '\\') {
		p[0] = '\\';
		p[1] = (char)c;
		line->len += 2;
	} else {
		p[0] = '\\';
		p[1] = 'x';
		p[2] = digits[c >> 4];
		p[3] = digits[c & 15];
		line->len += 4;
	}
}

static void
line_value(struct line *line, struct span s)
{
	struct span head = span_head(s, LOG_VALUE_MAX);
	size_t i;

	if (is_plain_value(s) && head.len == s.len &&
	    head.len < line_room(line)) {
		memcpy(line->p + line->len, head.p, head.len);
		line->len += head.len;
		return;
	}
	line->p[line->len++] = '"';
	for (i = 0; i < head.len && line_room(line) >= LOG_ESCAPE_MAX; i++)
		line_escape(line, (unsigned char)head.p[i]);
	if (i < s.len) {
		memcpy(line->p + line->len, "...", 3);
		line->len += 3;
	}
	line->p[line->len++] = '"';
}

static void
line_field(struct line *line, const struct field *f)
{
	/* Room for the key and a little of the value, or not at all. */
	if (line_room(line) < strlen(f->key) + 2 + LOG_ESCAPE_MAX)
		return;
	switch (f->kind) {
	case FIELD_STR:
	case FIELD_SPAN:
		line_printf(line, " %s=", f->key);
		line_value(line, f->s);
		break;
	case FIELD_INT:
		line_printf(line, " %s=%lld", f->key, (long long)f->i);
		break;
	case FIELD_ERR:
		line_printf(line, " %s=%s text=\"%s\"", f->key,
		    err_name((int)f->i), err_text((int)f->i));
		break;
	case FIELD_END:
		break;
	}
}

static void
line_start(struct line *line, struct log *l, enum log_level level,
    const char *area, const char *event)
{
	static const char *const names[] = {
		[LOG_DEBUG] = "debug", [LOG_INFO] = "info",
		[LOG_WARN] = "warn", [LOG_ERROR] = "error"
	};
	time_t now = (time_t)l->clock->wall_s(l->clock);
	char stamp[32];
	struct tm tm;

	line->len = 0;
	if (!gmtime_r(&now, &tm) ||
	    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		stamp[0] = '\0';
	line_printf(line, "%s %s %s %s", stamp[0] ? stamp : "-",
	    names[level], area, event);
}

/* Writes the line whole, or says false. Never waits. */
static bool
line_write(struct line *line, int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	ssize_t n;

	line->p[line->len] = '\n';
	/* Standard error may be somebody's blocking pipe: ask first. */
	if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))
		return false;
	n = write(fd, line->p, line->len + 1);
	return n == (ssize_t)line->len + 1;
}

/* Tells of the lines that were lost, now that writing may work again. */
static void
write_lost(struct log *l, int fd)
{
	size_t lost = atomic_exchange(&l->lost, 0);
	struct line line;

	if (lost == 0)
		return;
	line_start(&line, l, LOG_WARN, "log", "lines-lost");
	line_printf(&line, " count=%zu", lost);
	if (!line_write(&line, fd))
		atomic_fetch_add(&l->lost, lost);
}

void
log_init(struct log *l, struct clock *clock, int fd)
{
	*l = (struct log){ .clock = clock, .level = LOG_INFO };
	atomic_init(&l->fd, fd);
	atomic_init(&l->lost, 0);
}

void
log_fields(struct log *l, enum log_level level, const char *area,
    const char *event, const struct field *fields)
{
	int saved = errno, fd = atomic_load(&l->fd);
	struct line line;

	if (level < l->level || (fd < 0 && !l->sink))
		return;
	line_start(&line, l, level, area, event);
	for (; fields->kind != FIELD_END; fields++)
		line_field(&line, fields);
	if (l->sink) {
		l->sink(l, level, span_make(line.p, line.len));
	} else {
		write_lost(l, fd);
		if (!line_write(&line, fd))
			atomic_fetch_add(&l->lost, 1);
	}
	errno = saved;
}

void
log_refusal(struct log *l, const char *area, const char *reason,
    struct span who, struct span what)
{
	log_event(l, LOG_INFO, area, "refused", F_STR("reason", reason),
	    F_SPAN("who", who), F_SPAN("what", what));
}
