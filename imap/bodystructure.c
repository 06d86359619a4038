/*
 * BODY and BODYSTRUCTURE (RFC 3501 section 7.4.2).
 *
 * The grammar ties fields to types: a text has lines, a message/rfc822 an
 * envelope and a body. A part that was not parsed as what it says it is (over
 * a cap, or broken) has none of them, and is shown as application/octet-stream
 * with its own parameters, so that no client waits for fields that are not
 * there.
 */
#include "imap/downgrade.h"
#include "imap/reply.h"
#include "server/base/codec.h"
#include "store/mime/encoded.h"

#define DEPTH_MAX (2u * MIME_DEPTH_MAX)

struct style {
	bool extended;
	bool utf8;
	unsigned depth;
};

static void put_part(struct buf *out, const struct part *part,
    struct style st);

/* A value that a client without UTF-8 may see, or NIL (RFC 6858 2.4). */
static void
put_optional(struct buf *out, struct span value, const struct style *st)
{
	buf_addc(out, ' ');
	imap_put_nstring(out, value.len > 0 &&
	    (st->utf8 || !downgrade_is_needed(value)), value, st->utf8);
}

/*
 * Deviation from RFC 6858 section 2.2: a value with 8-bit text is not left
 * out but said as RFC 2231 says it, name*=UTF-8''..., for that is how most of
 * them stood in the message before mime.h decoded them.
 */
static void
put_encoded_param(struct buf *out, const struct param *param)
{
	struct buf name = BUF_INIT, value = BUF_INIT, utf8 = BUF_INIT;

	encoded_decode(&utf8, param->value);
	buf_addspan(&name, param->name);
	buf_addc(&name, '*');
	buf_adds(&value, "UTF-8''");
	percent_encode(&value, buf_span(&utf8));
	imap_put_string(out, buf_span(&name), false);
	buf_addc(out, ' ');
	imap_put_string(out, buf_span(&value), false);
	buf_release(&name);
	buf_release(&value);
	buf_release(&utf8);
}

static bool
is_shown(const struct param *param, const struct style *st)
{
	return st->utf8 || !downgrade_is_needed(param->name);
}

static void
put_params(struct buf *out, const struct params *params,
    const struct style *st)
{
	const char *before = "(";

	for (size_t i = 0; i < params->n; i++) {
		const struct param *param = &params->v[i];

		if (!is_shown(param, st))
			continue;
		buf_adds(out, before);
		before = " ";
		if (!st->utf8 && downgrade_is_needed(param->value)) {
			put_encoded_param(out, param);
			continue;
		}
		imap_put_string(out, param->name, st->utf8);
		buf_addc(out, ' ');
		imap_put_string(out, param->value, st->utf8);
	}
	buf_adds(out, *before == '(' ? "NIL" : ")");
}

/* body-fld-dsp, body-fld-lang, body-fld-loc */
static void
put_extensions(struct buf *out, const struct part *part,
    const struct style *st)
{
	buf_addc(out, ' ');
	if (part->has_disposition &&
	    (st->utf8 || !downgrade_is_needed(part->disposition))) {
		buf_addc(out, '(');
		imap_put_string(out, part->disposition, st->utf8);
		buf_addc(out, ' ');
		put_params(out, &part->disposition_params, st);
		buf_addc(out, ')');
	} else {
		buf_adds(out, "NIL");
	}
	if (part->language_count == 0) {
		buf_adds(out, " NIL");
	} else if (part->language_count == 1) {
		put_optional(out, part->languages[0], st);
	} else {
		buf_adds(out, " (");
		for (size_t i = 0; i < part->language_count; i++) {
			if (i)
				buf_addc(out, ' ');
			imap_put_string(out, part->languages[i], st->utf8);
		}
		buf_addc(out, ')');
	}
	put_optional(out, part->location, st);
}

static void
put_multipart(struct buf *out, const struct part *part,
    const struct style *st)
{
	const struct part *child = part->child;

	if (!child)	/* the grammar wants one */
		buf_adds(out, st->extended ?
		    "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0 "
		    "NIL NIL NIL NIL)" :
		    "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0)");
	for (; child; child = child->next)
		put_part(out, child, *st);
	buf_addc(out, ' ');
	imap_put_string(out, part->subtype, st->utf8);
	if (!st->extended)
		return;
	buf_addc(out, ' ');
	put_params(out, &part->params, st);
	put_extensions(out, part, st);
}

/* media type and subtype, as far as the fields that follow bear them out */
static void
put_type(struct buf *out, const struct part *part, bool is_message,
    const struct style *st)
{
	bool is_known = part->type.len && part->subtype.len &&
	    (st->utf8 || (!downgrade_is_needed(part->type) &&
	    !downgrade_is_needed(part->subtype)));

	if (is_message) {
		/* message/global is known to RFC 6855's clients only. */
		buf_adds(out, "\"message\" ");
		imap_put_string(out, st->utf8 ? part->subtype :
		    SPAN("rfc822"), st->utf8);
		return;
	}
	if (!is_known || span_iis(part->type, "multipart") ||
	    (span_iis(part->type, "message") &&
	    (span_iis(part->subtype, "rfc822") ||
	    span_iis(part->subtype, "global")))) {
		buf_adds(out, "\"application\" \"octet-stream\"");
		return;
	}
	imap_put_string(out, part->type, st->utf8);
	buf_addc(out, ' ');
	imap_put_string(out, part->subtype, st->utf8);
}

static void
put_one_part(struct buf *out, const struct part *part,
    const struct style *st)
{
	bool is_message = part->kind == PART_MESSAGE && part->child &&
	    part->envelope && st->depth < DEPTH_MAX;
	bool is_text = !is_message && span_iis(part->type, "text") &&
	    part->subtype.len && (st->utf8 ||
	    !downgrade_is_needed(part->subtype));

	put_type(out, part, is_message, st);
	buf_addc(out, ' ');
	put_params(out, &part->params, st);
	put_optional(out, part->id, st);
	put_optional(out, part->description, st);
	buf_addc(out, ' ');
	imap_put_string(out, part->encoding_text.len &&
	    !downgrade_is_needed(part->encoding_text) ?
	    part->encoding_text : SPAN("7BIT"), st->utf8);
	buf_addc(out, ' ');
	buf_addu(out, part->body_len);
	if (is_message) {
		buf_addc(out, ' ');
		imap_put_envelope(out, part->envelope, st->utf8);
		buf_addc(out, ' ');
		put_part(out, part->child, *st);
	}
	if (is_message || is_text) {
		buf_addc(out, ' ');
		buf_addu(out, part->lines);
	}
	if (!st->extended)
		return;
	put_optional(out, part->md5, st);
	put_extensions(out, part, st);
}

static void
put_part(struct buf *out, const struct part *part, struct style st)
{
	st.depth++;
	buf_addc(out, '(');
	if (part->kind == PART_MULTIPART && st.depth < DEPTH_MAX)
		put_multipart(out, part, &st);
	else
		put_one_part(out, part, &st);
	buf_addc(out, ')');
}

void
imap_put_bodystructure(struct buf *out, const struct digest *d,
    bool extended, bool utf8)
{
	put_part(out, d->root, (struct style){ extended, utf8, 0 });
}
