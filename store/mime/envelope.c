/*
 * The fields that make an envelope (RFC 9051 section 7.5.2), and what SORT
 * and THREAD make of them (RFC 5256, RFC 5957).
 */
#include "server/base/utf8.h"
#include "server/base/xalloc.h"
#include "store/mime/address.h"
#include "store/mime/date.h"
#include "store/mime/encoded.h"
#include "store/mime/header.h"
#include "store/mime/mime_priv.h"

/* The first field of its name counts, even an empty one. */
static void
read_text(bool *has, struct span *to, struct span value, struct arena *a)
{
	if (*has)
		return;
	*has = true;
	*to = value_copy(a, value);
}

/*
 * A second field of the same name continues the first as if a comma stood
 * between: otherwise one program would check the first and another show the
 * second.
 */
static void
read_addresses(struct addrlist *to, struct span value, struct arena *a,
    size_t *left)
{
	struct addrlist more;
	struct address *v;

	if (*left == 0) {
		to->present = true;
		return;
	}
	address_list_parse(value, a, &more);
	if (to->n + more.n > MIME_ADDRESSES_MAX)
		more.n = 0;	/* a cut could go through a group */
	*left -= MIN(*left, more.n);
	if (to->n && more.n) {
		v = arena_array(a, to->n + more.n, sizeof *v);
		memcpy(v, to->v, to->n * sizeof *v);
		memcpy(v + to->n, more.v, more.n * sizeof *v);
		more.v = v;
		more.n += to->n;
	}
	if (more.n == 0 && to->present)
		return;
	*to = more;
}

bool
envelope_read_field(struct envelope *e, struct span name, struct span value,
    struct arena *a, size_t *left)
{
	if (span_iis(name, "from"))
		read_addresses(&e->from, value, a, left);
	else if (span_iis(name, "to"))
		read_addresses(&e->to, value, a, left);
	else if (span_iis(name, "cc"))
		read_addresses(&e->cc, value, a, left);
	else if (span_iis(name, "bcc"))
		read_addresses(&e->bcc, value, a, left);
	else if (span_iis(name, "sender"))
		read_addresses(&e->sender, value, a, left);
	else if (span_iis(name, "reply-to"))
		read_addresses(&e->reply_to, value, a, left);
	else if (span_iis(name, "date"))
		read_text(&e->has_date, &e->date, value, a);
	else if (span_iis(name, "subject"))
		read_text(&e->has_subject, &e->subject, value, a);
	else if (span_iis(name, "message-id"))
		read_text(&e->has_message_id, &e->message_id, value, a);
	else if (span_iis(name, "in-reply-to"))
		read_text(&e->has_in_reply_to, &e->in_reply_to, value, a);
	else
		return false;
	return true;
}

/*
 * Of too many the first and the last stay: the root of the thread and the
 * nearest forebears. v[1] on is a ring while they are read.
 */
void
envelope_read_references(struct digest *d, struct span value, struct arena *a)
{
	const size_t ring = MIME_REFERENCES_MAX - 1;
	struct span v[MIME_REFERENCES_MAX], id;
	struct cursor c = cursor_of_span(value);
	size_t n = 0, kept, first;

	if (d->reference_count)
		return;
	for (; header_next_msg_id(&c, a, &id); n++)
		v[n == 0 ? 0 : 1 + (n - 1) % ring] =
		    span_head(id, DIGEST_VALUE_MAX);
	if (n == 0)
		return;
	kept = MIN(n, MIME_REFERENCES_MAX);
	d->references = arena_array(a, kept, sizeof *d->references);
	d->references[0] = v[0];
	first = n > MIME_REFERENCES_MAX ? (n - 1) % ring : 0;
	for (size_t i = 1; i < kept; i++)
		d->references[i] = v[1 + (first + i - 1) % ring];
	d->reference_count = kept;
}

/* Appends folded, cuts where a character ends, copies. */
static struct span
folded_copy(struct arena *a, struct span s)
{
	struct buf b = BUF_INIT;
	struct span copy;

	if (s.len == 0)
		return s;
	utf8_fold(&b, s);
	if (b.len > DIGEST_VALUE_MAX) {
		size_t len = DIGEST_VALUE_MAX;

		while (len && (b.p[len] & 0xc0) == 0x80)
			len--;
		buf_truncate(&b, len);
	}
	copy = arena_span(a, buf_span(&b));
	buf_release(&b);
	return copy;
}

/* RFC 5256 section 3: addr-mailbox of the first, a group's is its name. */
static struct span
sort_address(struct arena *a, const struct addrlist *l)
{
	if (l->n == 0)
		return span_make(NULL, 0);
	return folded_copy(a, l->v[0].kind == ADDR_MAILBOX ? l->v[0].local :
	    l->v[0].display);
}

/* RFC 5957 section 3. */
static struct span
display_address(struct arena *a, const struct addrlist *l)
{
	struct buf b = BUF_INIT;
	struct span s;

	if (l->n == 0)
		return span_make(NULL, 0);
	encoded_decode(&b, l->v[0].display);
	if (b.len == 0 && l->v[0].kind == ADDR_MAILBOX) {
		buf_addspan(&b, l->v[0].local);
		if (l->v[0].domain.len) {
			buf_addc(&b, '@');
			buf_addspan(&b, l->v[0].domain);
		}
	}
	s = folded_copy(a, buf_span(&b));
	buf_release(&b);
	return s;
}

void
envelope_summarise(struct digest *d, struct arena *a)
{
	struct envelope *e = &d->envelope;
	struct buf b = BUF_INIT;
	struct cursor c;
	struct span id;

	if (e->has_date && date_parse_rfc5322(e->date, &d->sent_s,
	    &d->sent_zone_min) < 0)
		d->sent_s = d->sent_zone_min = 0;
	subject_base(&b, e->subject, &d->is_reply);
	d->base_subject = folded_copy(a, buf_span(&b));
	buf_release(&b);
	d->sort_from = sort_address(a, &e->from);
	d->sort_to = sort_address(a, &e->to);
	d->sort_cc = sort_address(a, &e->cc);
	d->display_from = display_address(a, &e->from);
	d->display_to = display_address(a, &e->to);
	/* RFC 5256 section 3: In-Reply-To only where References has none. */
	c = cursor_of_span(e->in_reply_to);
	if (d->reference_count || !header_next_msg_id(&c, a, &id))
		return;
	d->references = arena_memdup(a, &id, sizeof id);
	d->reference_count = 1;
}
