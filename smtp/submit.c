#include "smtp/submit.h"

#include "server/base/codec.h"
#include "server/base/xalloc.h"
#include "store/mime/address.h"
#include "store/mime/date.h"
#include "store/mime/header.h"

#define MESSAGE_ID_BYTES 12	/* random, written as hex */

struct seen {
	bool date, message_id, from;
};

/* RFC 5322 section 3.6.3: removed before the message goes to anybody. */
static bool
is_secret(struct span name)
{
	return span_iis(name, "Bcc") || span_iis(name, "Resent-Bcc");
}

/* Adds the addresses of a From or Sender field. */
static void
add_senders(struct submit_senders *senders, struct span value,
    struct arena *arena)
{
	struct addrlist list = { 0 };
	struct buf text = BUF_INIT;
	size_t before = senders->n;

	if (!senders->v)
		senders->v = arena_array(arena, SUBMIT_SENDERS_MAX,
		    sizeof *senders->v);
	header_unfold(&text, value);
	address_list_parse(arena_span(arena, buf_span(&text)), arena, &list);
	buf_release(&text);
	for (size_t i = 0; i < list.n; i++) {
		if (list.v[i].kind != ADDR_MAILBOX)
			continue;
		if (senders->n == SUBMIT_SENDERS_MAX) {
			senders->is_broken = true;
			return;
		}
		senders->v[senders->n++] = (struct submit_sender){
			list.v[i].local, list.v[i].domain
		};
	}
	/* A name that leads to nobody is no name to speak in. */
	if (senders->n == before)
		senders->is_broken = true;
}

static void
note_field(const struct header_field *f, struct seen *seen,
    struct arena *arena, struct submit_senders *senders)
{
	if (span_iis(f->name, "Date"))
		seen->date = true;
	if (span_iis(f->name, "Message-ID"))
		seen->message_id = true;
	if (span_iis(f->name, "From"))
		seen->from = true;
	if (span_iis(f->name, "From") || span_iis(f->name, "Sender")) {
		size_t before = senders->n;

		add_senders(senders, f->value, arena);
		if (span_iis(f->name, "From") && !senders->author.len &&
		    senders->n > before)
			senders->author = senders->v[before].domain;
	}
}

static void
put_message_id(struct buf *out, const struct submit_facts *facts)
{
	const char *at = span_chr(facts->from, '@');
	unsigned char bytes[MESSAGE_ID_BYTES];

	/* The last: a quoted local part may have one too. */
	for (size_t i = 0; i < facts->from.len; i++)
		if (facts->from.p[i] == '@')
			at = facts->from.p + i;
	random_fill(facts->random, bytes, sizeof bytes);
	buf_adds(out, "Message-ID: <");
	hex_encode(out, bytes, sizeof bytes);
	buf_addc(out, '@');
	if (at)
		buf_addspan(out, span_from(facts->from,
		    (size_t)(at - facts->from.p) + 1));
	else
		buf_adds(out, facts->hostname);
	buf_adds(out, ">\r\n");
}

/* RFC 6409 sections 8.2 and 8.3; a From, so that no mail is anonymous. */
static void
put_missing(struct buf *out, const struct submit_facts *facts,
    const struct seen *seen)
{
	if (!seen->from && facts->from.len) {
		buf_adds(out, "From: <");
		buf_addspan(out, facts->from);
		buf_adds(out, ">\r\n");
	}
	if (!seen->date) {
		buf_adds(out, "Date: ");
		date_put_rfc5322(out, facts->now_s);
		buf_adds(out, "\r\n");
	}
	if (!seen->message_id)
		put_message_id(out, facts);
}

static bool
ends_line(const struct buf *b)
{
	return b->len == 0 || b->p[b->len - 1] == '\n';
}

void
submit_fix_header(const struct submit_facts *facts, struct span head,
    struct arena *arena, struct buf *out, struct submit_senders *senders)
{
	struct seen seen = { false };
	struct buf secret = BUF_INIT;
	struct field_iter it;
	struct header_field f;
	bool is_first = true;

	field_iter_init(&it, head);
	while (field_iter_next(&it, &f)) {
		if (is_first && f.name.len == 0) {
			put_missing(out, facts, &seen);
			buf_adds(out, "\r\n");
			buf_addspan(out, head);
			return;
		}
		is_first = false;
		note_field(&f, &seen, arena, senders);
		buf_addspan(is_secret(f.name) ? &secret : out, f.whole);
	}
	if (!ends_line(&secret))
		buf_adds(&secret, "\r\n");
	senders->secret = arena_span(arena, buf_span(&secret));
	buf_release(&secret);
	if (!ends_line(out))
		buf_adds(out, "\r\n");
	put_missing(out, facts, &seen);
	buf_adds(out, "\r\n");
}
