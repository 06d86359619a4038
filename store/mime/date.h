/*
 * Dates: RFC 5322 section 3.3 (and 4.3), IMAP's two forms (RFC 9051 section 9
 * date, date-time), days since 1970. No time zone database, no locale.
 */
#ifndef STORE_MIME_DATE_H
#define STORE_MIME_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/span.h"

/*
 * A Date field's value. Lenient on white space, comments, two-digit years,
 * named zones. *utc_s seconds since 1970, *zone_min minutes east. 0 or
 * ERR_SYNTAX.
 */
int date_parse_rfc5322(struct span s, int64_t *utc_s, int32_t *zone_min);

/* "Mon, 23 Nov 2026 08:42:00 +0000" (UTC). */
void date_put_rfc5322(struct buf *out, int64_t utc_s);

/* date-time inside its quotes: "23-Nov-2026 08:42:00 +0000". */
int date_parse_imap(struct span s, int64_t *utc_s);
void date_put_imap(struct buf *out, int64_t utc_s);	/* without quotes */

/* IMAP "date": "1-Feb-1994" without quotes -> days since 1970-01-01. */
int date_parse_imap_day(struct span s, int64_t *day);

/* "2026-11-23T08:42:00Z" */
void date_put_iso(struct buf *out, int64_t utc_s);
int date_parse_iso(struct span s, int64_t *utc_s);

/* Calendar day of a moment at a zone (RFC 9051 6.4.4 SENTON ignores zone). */
int64_t date_day(int64_t utc_s, int32_t zone_min);

#endif
