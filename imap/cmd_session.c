/*
 * CAPABILITY, NOOP, LOGOUT, STARTTLS (RFC 3501 section 6.1 and 6.2.1),
 * COMPRESS (RFC 4978), UNAUTHENTICATE (RFC 8437), ID (RFC 2971), ENABLE (RFC 5161), NAMESPACE (RFC 2342).
 */
#include <stdlib.h>

#include "imap/imap_priv.h"
#include "imap/metadata.h"
#include "imap/sync.h"
#include "server/base/xalloc.h"

/* Bytes of a client's ID that a log line shows. */
#define ID_LOG_MAX 200

/*
 * What works, and nothing else; each family adds its own. CLIENTS: Apple's
 * and Outlook's phones choose their commands by this list.
 */
static const char *const capabilities[] = {
	"SASL-IR", "LITERAL+", "ID", "ENABLE", "IDLE", "NAMESPACE", "UIDPLUS",
	"MOVE", "UNSELECT", "MULTIAPPEND", "ESEARCH", "CONDSTORE", "QRESYNC",
	"WITHIN", "STATUS=SIZE", "BINARY",
	"SEARCHRES", "SORT", "SORT=DISPLAY", "ESORT",
	"MULTISEARCH", "FILTERS",
	"THREAD=ORDEREDSUBJECT", "THREAD=REFERENCES", "THREAD=REFS",
	"PARTIAL", "CONTEXT=SEARCH", "CONTEXT=SORT", "I18NLEVEL=1",
	"SEARCH=FUZZY",
	"COMPRESS=DEFLATE", "UNAUTHENTICATE",
	"CATENATE", "REPLACE",
	"CHILDREN", "LIST-EXTENDED", "LIST-STATUS", "SPECIAL-USE",
	"CREATE-SPECIAL-USE", "XLIST", "OBJECTID", "SAVEDATE", "PREVIEW",
	"METADATA", "METADATA-SERVER", "LIST-METADATA",
	"IMAP4rev2", "UTF8=ACCEPT", "UIDONLY", "UIDBATCHES", "LANGUAGE",
	"NOTIFY", "INPROGRESS",
	"ACL", "RIGHTS=texk", "LIST-MYRIGHTS",
	"QUOTA", "QUOTASET", "QUOTA=RES-STORAGE", "QUOTA=RES-MESSAGE",
};

static bool
can_starttls(const struct imap *im)
{
	return im->settings->has_starttls && !im->s.peer.has_tls;
}

/* RFC 3501 6.2.3: LOGINDISABLED where a password would be in the clear. */
static void
put_login_capability(const struct imap *im, struct buf *out)
{
	if (can_starttls(im))
		buf_adds(out, " STARTTLS");
	if (login_mechanisms(im->login) == 0) {
		buf_adds(out, " LOGINDISABLED");
		return;
	}
	buf_addc(out, ' ');
	login_put_mechanisms(im->login, out, "AUTH=", " ");
}

void
imap_put_capability(struct imap *im, struct buf *out)
{
	buf_adds(out, "CAPABILITY IMAP4rev1");
	if (im->state == ST_NOAUTH)
		put_login_capability(im, out);
	for (size_t i = 0; i < COUNT(capabilities); i++) {
		buf_addc(out, ' ');
		buf_adds(out, capabilities[i]);
	}
	if (im->settings->message_limit) {
		buf_adds(out, " MESSAGELIMIT=");
		buf_addu(out, im->settings->message_limit);
	}
	/* RFC 7889: the same for every mailbox. */
	buf_adds(out, " APPENDLIMIT=");
	buf_addu(out, im->settings->size_limit);
}

enum imap_step
imap_run_capability(struct imap *im)
{
	buf_adds(im->s.out, "* ");
	imap_put_capability(im, im->s.out);
	buf_adds(im->s.out, "\r\n");
	return imap_ok(im, NULL, "CAPABILITY completed");
}

enum imap_step
imap_run_noop(struct imap *im)
{
	/* RFC 3501 6.4.1: CHECK has nothing to do either. */
	return imap_ok(im, NULL, arena_printf(&im->cmd.arena, "%s completed",
	    im->cmd.verb->name));
}

enum imap_step
imap_run_logout(struct imap *im)
{
	imap_unselect(im);
	buf_adds(im->s.out, "* BYE Logging out\r\n");
	(void)imap_ok(im, NULL, "LOGOUT completed");
	return STEP_CLOSE;
}

enum imap_step
imap_run_starttls(struct imap *im)
{
	if (im->s.peer.has_tls)
		return imap_bad(im, "TLS is on already");
	if (!im->settings->has_starttls)
		return imap_bad(im, "There is no TLS on this port");
	(void)imap_ok(im, NULL, "Begin TLS negotiation now");
	return STEP_TLS;
}

enum imap_step
imap_run_compress(struct imap *im)
{
	if (!span_iis(im->cmd.args.compress.mechanism, "DEFLATE"))
		return imap_bad(im, "DEFLATE is all there is");
	if (im->is_compressed)
		return imap_no(im, "COMPRESSIONACTIVE",
		    "Compression is on already");
	if (budget_take(im->s.env->budget, SESSION_DEFLATE_MEMORY) < 0)
		return imap_fail(im, ERR_BUDGET);
	im->is_compressed = true;
	im->switch_to = WANT_DEFLATE;
	return imap_ok(im, NULL, "DEFLATE active");
}

enum imap_step
imap_run_unauthenticate(struct imap *im)
{
	imap_unauthenticate(im);
	return imap_ok(im, NULL, "UNAUTHENTICATE completed");
}

/* What clients say of themselves helps to understand their trouble. */
static void
log_id(struct imap *im)
{
	const struct imap_id_args *a = &im->cmd.args.id;
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < a->count; i++) {
		const struct imap_id_pair *p = &a->pairs[i];

		if (p->is_nil || (!span_iis(p->name, "name") &&
		    !span_iis(p->name, "version") && !span_iis(p->name, "os")))
			continue;
		if (b.len)
			buf_addc(&b, ' ');
		buf_addspan(&b, span_head(p->value, ID_LOG_MAX));
	}
	if (b.len)
		log_event(im->s.env->log, LOG_INFO, "imap", "client",
		    F_STR("from", im->s.peer.addr), F_STR("user", im->name ?
		    im->name : ""), F_SPAN("id", buf_span(&b)));
	buf_release(&b);
}

enum imap_step
imap_run_id(struct imap *im)
{
	struct buf *out = im->s.out;

	log_id(im);
	buf_adds(out, "* ID (\"name\" \"Kingpost\" \"version\" ");
	imap_put_string(out, span_of(im->s.env->version), false);
	buf_adds(out, ")\r\n");
	return imap_ok(im, NULL, "ID completed");
}

static bool
is_word_of(const struct imap_enable_args *a, const char *word)
{
	for (size_t i = 0; i < a->count; i++)
		if (span_iis(a->words[i], word))
			return true;
	return false;
}

/* RFC 5161 section 3.1: what we do not know is passed over. */
enum imap_step
imap_run_enable(struct imap *im)
{
	bool metadata = im->is_metadata, server = metadata;
	const struct {
		const char *word;
		bool *is_on;
	} rows[] = {
		{ "CONDSTORE", &im->is_condstore },
		{ "QRESYNC", &im->is_qresync },
		{ "METADATA", &metadata },
		{ "METADATA-SERVER", &server },
		{ "UTF8=ACCEPT", &im->is_utf8_accept },
		{ "IMAP4rev2", &im->is_rev2 },
		{ "UIDONLY", &im->is_uidonly },
	};
	bool is_new[COUNT(rows)];

	for (size_t i = 0; i < COUNT(rows); i++)
		is_new[i] = !*rows[i].is_on &&
		    is_word_of(&im->cmd.args.enable, rows[i].word);
	/* RFC 7162 3.2.3: QRESYNC is more than CONDSTORE. */
	if (is_new[0] || is_new[1])
		imap_enable_condstore(im);
	buf_adds(im->s.out, "* ENABLED");
	for (size_t i = 0; i < COUNT(rows); i++) {
		*rows[i].is_on |= is_new[i];
		if (is_new[i]) {
			buf_addc(im->s.out, ' ');
			buf_adds(im->s.out, rows[i].word);
		}
	}
	buf_adds(im->s.out, "\r\n");
	if (metadata || server)
		imap_enable_metadata(im);
	/* RFC 9051 section 5.1, appendix A: it is UTF-8 as well. */
	im->is_utf8 |= im->is_utf8_accept || im->is_rev2;
	return imap_ok(im, NULL, "ENABLE completed");
}

/* RFC 2342 section 5: one's own, and what others share. */
enum imap_step
imap_run_namespace(struct imap *im)
{
	buf_adds(im->s.out, "* NAMESPACE ((\"\" \"/\")) "
	    "((\"Users/\" \"/\")) NIL\r\n");
	return imap_ok(im, NULL, "NAMESPACE completed");
}

/* RFC 5255 section 3.1: i-default is English, and what everybody hears. */
static const char *const languages[] = { "en", "i-default" };

/*
 * The language that a range means, or NULL: RFC 4647 section 3.4, the end of
 * the range is cut off until it is a language.
 */
static const char *
find_language(struct span range)
{
	if (span_iis(range, "default") || span_is(range, "*"))
		return languages[0];
	while (range.len > 0) {
		for (size_t i = 0; i < COUNT(languages); i++)
			if (span_iis(range, languages[i]))
				return languages[i];
		while (range.len > 0 && range.p[--range.len] != '-')
			;
	}
	return NULL;
}

/* RFC 5255 section 3.2. All texts are English, so nothing is to be kept. */
enum imap_step
imap_run_language(struct imap *im)
{
	const struct imap_language_args *a = &im->cmd.args.language;
	struct buf *out = im->s.out;
	const char *found = NULL;

	if (a->count == 0) {
		buf_adds(out, "* LANGUAGE (en i-default)\r\n");
		return imap_ok(im, NULL, "LANGUAGE completed");
	}
	for (size_t i = 0; i < a->count && !found; i++)
		found = find_language(a->ranges[i]);
	if (!found)
		return imap_no(im, NULL, "Not a language of this server");
	buf_adds(out, "* LANGUAGE (");
	buf_adds(out, found);
	buf_adds(out, ")\r\n");
	return imap_ok(im, NULL, "LANGUAGE completed");
}
