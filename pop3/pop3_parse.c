#include "pop3/pop3_parse.h"

static bool
is_visible(unsigned char c)
{
	return c > ' ' && c != 0x7f;
}

static void
skip_spaces(struct cursor *c)
{
	while (cursor_skip(c, ' '))
		;
}

static bool
is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* Digits; a number past max is max. */
static bool
scan_number(struct cursor *c, uint64_t max, uint64_t *n)
{
	if (cursor_number(c, max, n))
		return true;
	*n = max;
	return cursor_while(c, is_digit).len > 0;
}

static bool
scan_msg(struct cursor *c, struct pop3_args *args)
{
	uint64_t n;

	if (!scan_number(c, UINT32_MAX, &n))
		return false;
	args->has_msg = true;
	args->msg = n < UINT32_MAX ? (uint32_t)n : 0;
	return true;
}

enum parse
pop3_parse_none(struct cursor *c, struct pop3_args *args)
{
	(void)args;
	return cursor_at_end(c) ? PARSE_OK : PARSE_BAD;
}

enum parse
pop3_parse_text(struct cursor *c, struct pop3_args *args)
{
	args->text = span_make(c->p, cursor_left(c));
	c->p = c->end;
	return args->text.len ? PARSE_OK : PARSE_BAD;
}

enum parse
pop3_parse_msg(struct cursor *c, struct pop3_args *args)
{
	skip_spaces(c);
	return scan_msg(c, args) && cursor_at_end(c) ? PARSE_OK : PARSE_BAD;
}

enum parse
pop3_parse_opt_msg(struct cursor *c, struct pop3_args *args)
{
	skip_spaces(c);
	return cursor_at_end(c) ? PARSE_OK : pop3_parse_msg(c, args);
}

enum parse
pop3_parse_top(struct cursor *c, struct pop3_args *args)
{
	skip_spaces(c);
	if (!scan_msg(c, args) || cursor_peek(c) != ' ')
		return PARSE_BAD;
	skip_spaces(c);
	return scan_number(c, UINT64_MAX, &args->lines) && cursor_at_end(c) ?
	    PARSE_OK : PARSE_BAD;
}

enum parse
pop3_parse_lang(struct cursor *c, struct pop3_args *args)
{
	skip_spaces(c);
	args->word = cursor_while(c, is_visible);
	return cursor_at_end(c) ? PARSE_OK : PARSE_BAD;
}

enum parse
pop3_parse_auth(struct cursor *c, struct pop3_args *args)
{
	skip_spaces(c);
	args->word = cursor_while(c, is_visible);
	skip_spaces(c);
	args->initial = cursor_while(c, is_visible);
	args->has_initial = args->initial.len > 0;
	return cursor_at_end(c) ? PARSE_OK : PARSE_BAD;
}
