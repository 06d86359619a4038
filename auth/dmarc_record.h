/*
 * DMARC policy records (RFC 9989 sections 4.7 and 4.8; the draft's numbers
 * are the same). Pure; dmarc.h finds them and applies them.
 */
#ifndef AUTH_DMARC_RECORD_H
#define AUTH_DMARC_RECORD_H

#include <stdbool.h>

#include "server/base/cursor.h"

#define DMARC_RECORD_MAX 8192u	/* longer: no record */
#define DMARC_URIS_MAX 10u	/* of rua that are reported to */

enum dmarc_request { DMARC_NONE, DMARC_QUARANTINE, DMARC_REJECT };
enum dmarc_psd { DMARC_PSD_UNKNOWN, DMARC_PSD_YES, DMARC_PSD_NO };

struct dmarc_record {
	enum dmarc_request p, sp, np;	/* sp, np: as they apply */
	bool is_valid;			/* false: section 4.10.1, no DMARC */
	bool is_strict_dkim, is_strict_spf;
	bool is_testing;		/* t=y: one step less is applied */
	enum dmarc_psd psd;
	struct span rua, ruf;		/* URI lists as written */
	struct span fo;
};

/* Whether a TXT record is a DMARC record at all: v=DMARC1 comes first. */
bool dmarc_is_record(struct span txt);

/*
 * Reads a record for which dmarc_is_record holds. Nothing in it is an error:
 * what is not understood has its default (section 4.8).
 */
void dmarc_record_parse(struct span txt, struct dmarc_record *r);

/*
 * The next "mailto:" URI of a list: its address, percent-decoding left to the
 * caller, without a size limit behind '!'. Others are passed over.
 */
bool dmarc_next_mailto(struct cursor *c, struct span *address);

/* "none", "quarantine", "reject". */
const char *dmarc_request_name(enum dmarc_request r);

#endif
