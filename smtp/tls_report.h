/*
 * Reports on TLS (RFC 8460): who wants them, and what they look like. Pure;
 * tls_reporter.h sends them.
 */
#ifndef SMTP_TLS_REPORT_H
#define SMTP_TLS_REPORT_H

#include "server/base/arena.h"
#include "server/base/buf.h"
#include "server/base/cursor.h"
#include "server/base/dns.h"
#include "store/tls_report.h"

#define TLS_REPORT_RUA_MAX 4	/* addresses that one report goes to */

/*
 * The addresses that "v=TLSRPTv1; rua=mailto:..." names, decoded; those by
 * HTTPS are left out. PARSE_BAD for what is no such record. Live in a.
 */
struct tls_rua {
	const char *address[TLS_REPORT_RUA_MAX];
	size_t count;
};
enum parse tls_report_parse_record(struct span txt, struct arena *a,
    struct tls_rua *rua);

/*
 * The same of an answer for _smtp._tls.DOMAIN: one record, or nobody wants
 * reports. Returns whether anybody can get one.
 */
bool tls_report_find_rua(const struct dns_answer *txt, struct arena *a,
    struct tls_rua *rua);

struct tls_report {
	const char *domain;		/* what it is about */
	int64_t day;			/* of UTC, since 1970 */
	const char *contact;		/* an address of ours */
	const char *hostname;		/* ours */
	const struct tls_result *rows;	/* by type and policy */
	size_t count;
};

/* "DAY.DOMAIN@HOST": the same if it is made again. Appends. */
void tls_report_put_id(struct buf *out, const struct tls_report *r);

/* The report itself, RFC 8460 section 4.4. Appends. */
void tls_report_put_json(struct buf *out, const struct tls_report *r);

/*
 * The message that carries it to rua, gzipped (section 5.3), with CRLFs.
 * Appends. seed makes its boundary.
 */
void tls_report_put_message(struct buf *out, const struct tls_report *r,
    const struct tls_rua *rua, int64_t now_s, uint64_t seed);

#endif
