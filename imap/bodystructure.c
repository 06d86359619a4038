/*
 * BODY and BODYSTRUCTURE (RFC 3501 section 7.4.2).
 *
 * The grammar ties fields to types: a text has lines, a message/rfc822 an
 * envelope and a body. A part that was not parsed as what it says it is (over
 * a cap, or broken) is shown as another type with its own parameters, as
 * digest.h says, so that no client waits for fields that are not there.
 */
#include "imap/reply.h"
#include "server/base/codec.h"
#include "store/mime/downgrade.h"
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
	for (const struct part *kid = part->child; kid; kid = kid->next)
		put_part(out, kid, *st);
	buf_addc(out, ' ');
	imap_put_string(out, part->subtype, st->utf8);
	if (!st->extended)
		return;
	buf_addc(out, ' ');
	put_params(out, &part->params, st);
	put_extensions(out, part, st);
}

static bool
is_message(const struct part *part, const struct style *st)
{
	return part->kind == PART_MESSAGE && part->child && part->envelope &&
	    st->depth < DEPTH_MAX;
}

struct media {
	struct span type, subtype;
};

/* What the part is shown as, which its other fields have to bear out. */
static struct media
media_of(const struct part *part, const struct style *st)
{
	const struct media opaque = { SPAN("application"),
	    SPAN("octet-stream") };

	/* message/global is known to RFC 6855's clients only. */
	if (is_message(part, st))
		return (struct media){ SPAN("message"), st->utf8 ?
		    part->subtype : SPAN("rfc822") };
	if (span_iis(part->type, "multipart"))
		return (struct media){ SPAN("text"), SPAN("plain") };
	if (!part->type.len || !part->subtype.len ||
	    (!st->utf8 && (downgrade_is_needed(part->type) ||
	    downgrade_is_needed(part->subtype))))
		return opaque;
	if (span_iis(part->type, "message") &&
	    (span_iis(part->subtype, "rfc822") ||
	    span_iis(part->subtype, "global")))
		return opaque;
	return (struct media){ part->type, part->subtype };
}

static void
put_one_part(struct buf *out, const struct part *part,
    const struct style *st)
{
	struct media media = media_of(part, st);
	bool has_encoding = part->encoding_text.len &&
	    !downgrade_is_needed(part->encoding_text);

	imap_put_string(out, media.type, st->utf8);
	buf_addc(out, ' ');
	imap_put_string(out, media.subtype, st->utf8);
	buf_addc(out, ' ');
	put_params(out, &part->params, st);
	put_optional(out, part->id, st);
	put_optional(out, part->description, st);
	buf_addc(out, ' ');
	imap_put_string(out, has_encoding ? part->encoding_text :
	    SPAN("7BIT"), st->utf8);
	buf_addc(out, ' ');
	buf_addu(out, part->body_len);
	if (is_message(part, st)) {
		buf_addc(out, ' ');
		imap_put_envelope(out, part->envelope, st->utf8);
		buf_addc(out, ' ');
		put_part(out, part->child, *st);
	}
	if (is_message(part, st) || span_iis(media.type, "text")) {
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
	if (part->kind == PART_MULTIPART && part->child &&
	    st.depth < DEPTH_MAX)
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
