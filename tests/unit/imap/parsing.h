/*
 * Parsing one text in a test: arena, parser and result together.
 */
#ifndef TESTS_UNIT_IMAP_PARSING_H
#define TESTS_UNIT_IMAP_PARSING_H

#include "imap/parse.h"

struct parsing {
	struct arena arena;
	struct imap_parser p;
	union imap_args args;
	char *copy;
};

static inline struct parsing *
parsing_new(struct span text)
{
	struct parsing *t = xcalloc(1, sizeof *t);

	/* Of its own size, so that the sanitizer sees reads past its end. */
	t->copy = xmemdup(text.p, text.len);
	imap_parser_init(&t->p, span_make(t->copy, text.len), &t->arena);
	return t;
}

static inline void
parsing_free(struct parsing *t)
{
	arena_release(&t->arena);
	free(t->copy);
	free(t);
}

/* Runs a parse function over the text; result in *t. */
static inline enum parse
parsing_run(struct parsing *t,
    enum parse (*parse)(struct imap_parser *, union imap_args *))
{
	enum parse r = parse(&t->p, &t->args);

	CHECK(t->p.c.p <= t->p.c.end);
	CHECK_EQ(r == PARSE_BAD, t->p.why != NULL);
	return r;
}

static inline void
check_bad(enum parse (*parse)(struct imap_parser *, union imap_args *),
    struct span text, const char *why)
{
	struct parsing *t = parsing_new(text);

	CHECK_EQ(parsing_run(t, parse), PARSE_BAD);
	if (why)
		CHECK_STR(t->p.why, why);
	parsing_free(t);
}

static inline void
check_good(enum parse (*parse)(struct imap_parser *, union imap_args *),
    struct span text)
{
	struct parsing *t = parsing_new(text);

	CHECK_EQ(parsing_run(t, parse), PARSE_OK);
	parsing_free(t);
}

#endif
