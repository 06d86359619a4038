#include "server/answer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/base/err.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"
#include "server/control.h"

#define COLUMNS_MAX 16

void
answer_init(struct answer *a, bool as_json, int file_fd)
{
	*a = (struct answer){ .as_json = as_json, .file_fd = file_fd };
	buf_init(&a->in);
	a->rows = json_array();
}

void
answer_release(struct answer *a)
{
	buf_release(&a->in);
	json_decref(a->rows);
}

/* ---- showing ---- */

static void
clear_bar(struct answer *a)
{
	if (a->has_bar)
		fputs("\r\033[K", stderr);
	a->has_bar = false;
}

static void
show_progress(struct answer *a, json_t *p)
{
	static const char full[] = "########################################";
	json_int_t done = json_integer_value(json_object_get(p, "done"));
	json_int_t total = json_integer_value(json_object_get(p, "total"));
	int width = sizeof full - 1, n;

	if (!isatty(2) || total <= 0)
		return;
	n = (int)(done * width / total);
	fprintf(stderr, "\r[%-*.*s] %3d%%", width, n, full,
	    (int)(done * 100 / total));
	a->has_bar = true;
}

static char *value_text(json_t *v);

/* "name mail.example.org, days_left 80"; owned. */
static char *
object_text(json_t *o)
{
	struct buf b = BUF_INIT;
	const char *key;
	json_t *v;

	json_object_foreach(o, key, v) {
		char *text = value_text(v);

		buf_printf(&b, "%s%s %s", b.len ? ", " : "", key, text);
		free(text);
	}
	return buf_take(&b);
}

/* One value as text; owned. Lists are joined. Depth is the server's: two. */
static char *
value_text(json_t *v)
{
	struct buf b = BUF_INIT;
	size_t i;
	json_t *item;

	if (json_is_object(v))
		return object_text(v);
	if (json_is_string(v))
		return xstrdup(json_string_value(v));
	if (json_is_boolean(v))
		return xstrdup(json_is_true(v) ? "yes" : "no");
	if (json_is_null(v))
		return xstrdup("none");
	if (!json_is_array(v))
		return json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
	json_array_foreach(v, i, item) {
		char *text = value_text(item);

		buf_adds(&b, i ? "; " : "");
		buf_adds(&b, text);
		free(text);
	}
	return buf_take(&b);
}

/* What a terminal takes for a command is shown as a question mark. */
static void
put_plain(FILE *f, const char *s)
{
	for (; *s; s++)
		putc((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s, f);
}

/* A sentence for the person at the terminal. */
static void
say(const char *before, const char *sentence)
{
	fputs(before, stderr);
	put_plain(stderr, sentence ? sentence : "");
	putc('\n', stderr);
}

static void
show_pairs(json_t *row, int indent)
{
	const char *key;
	json_t *v;

	json_object_foreach(row, key, v) {
		char *text;

		if (json_is_object(v)) {
			printf("%*s%s:\n", indent, "", key);
			show_pairs(v, indent + 2);
			continue;
		}
		text = value_text(v);
		printf("%*s%-*s ", indent, "", 24 - indent, key);
		put_plain(stdout, text);
		putchar('\n');
		free(text);
	}
}

static int
text_width(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void
show_table(json_t *rows)
{
	const char *key;
	json_t *row, *v;
	int width[COLUMNS_MAX] = { 0 };
	size_t i, col;

	for (int pass = 0; pass < 2; pass++) {
		json_array_foreach(rows, i, row) {
			col = 0;
			json_object_foreach(row, key, v) {
				char *text = i ? NULL : xstrdup(key);

				if (col == COLUMNS_MAX)
					break;
				if (pass && text)
					printf("%-*s  ", width[col], text);
				if (text)
					width[col] = MAX(width[col],
					    text_width(text));
				free(text);
				text = value_text(v);
				width[col] = MAX(width[col],
				    text_width(text));
				free(text);
				col++;
			}
			if (pass && i == 0)
				putchar('\n');
			col = 0;
			json_object_foreach(row, key, v) {
				char *text;

				if (!pass || col == COLUMNS_MAX)
					break;
				text = value_text(v);
				put_plain(stdout, text);
				printf("%*s", width[col] + 2 -
				    text_width(text), "");
				free(text);
				col++;
			}
			if (pass)
				putchar('\n');
		}
	}
}

void
answer_show(struct answer *a)
{
	json_t *first = json_array_get(a->rows, 0);

	clear_bar(a);
	if (a->as_json || !first)
		return;
	if (json_array_size(a->rows) == 1 && (json_object_size(first) == 1 ||
	    json_object_size(first) > 6))
		show_pairs(first, 0);
	else
		show_table(a->rows);
}

/* ---- reading ---- */

static void
take_line(struct answer *a, const char *line)
{
	json_t *j = json_loads(line, 0, NULL), *v;

	if (!j) {
		fprintf(stderr, "kingpost: the server's answer cannot be "
		    "understood\n");
		a->has_ended = true;
		a->exit = EXIT_REFUSED;
		return;
	}
	if ((v = json_object_get(j, "bytes")))
		a->bytes_left = (size_t)json_integer_value(v);
	else if (a->as_json)
		puts(line);
	if ((v = json_object_get(j, "progress")) && !a->as_json)
		show_progress(a, v);
	if ((v = json_object_get(j, "row")))
		json_array_append(a->rows, v);
	if ((v = json_object_get(j, "note")) && !a->as_json) {
		clear_bar(a);
		say("", json_string_value(v));
	}
	if ((v = json_object_get(j, "error"))) {
		a->has_ended = true;
		a->exit = (int)json_integer_value(json_object_get(j, "exit"));
		clear_bar(a);
		if (!a->as_json)
			say("kingpost: ", json_string_value(v));
	}
	if (json_object_get(j, "done")) {
		a->has_ended = true;
		a->exit = EXIT_DONE;
	}
	json_decref(j);
}

static void
write_file(struct answer *a, const char *p, size_t len)
{
	while (len > 0 && a->err == 0 && a->file_fd >= 0) {
		ssize_t n = write(a->file_fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			clear_bar(a);
			fprintf(stderr, "kingpost: cannot write the file: "
			    "%s\n", strerror(errno));
			a->err = ERR_IO;
			break;
		}
		p += n;
		len -= (size_t)n;
	}
}

void
answer_add(struct answer *a, const char *p, size_t len)
{
	buf_add(&a->in, p, len);
	while (!a->has_ended && a->in.len) {
		char *nl;

		if (a->bytes_left) {
			size_t n = MIN(a->bytes_left, a->in.len);

			write_file(a, a->in.p, n);
			a->bytes_left -= n;
			buf_consume(&a->in, n);
			continue;
		}
		nl = memchr(a->in.p, '\n', a->in.len);
		if (!nl)
			break;
		*nl = '\0';
		take_line(a, a->in.p);
		buf_consume(&a->in, (size_t)(nl + 1 - a->in.p));
	}
}
