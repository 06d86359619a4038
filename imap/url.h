/*
 * IMAP URLs of a message or a part of one on this server (RFC 5092, as RFC
 * 4469 section 3 uses them): "/Drafts;UIDVALIDITY=3/;UID=20/;SECTION=1.2",
 * and without a mailbox ";UID=20", which is in the selected one. Others are
 * refused. Pure.
 */
#ifndef IMAP_URL_H
#define IMAP_URL_H

#include "imap/parse.h"

struct imap_url {
	bool has_mailbox;	/* false: the selected one is meant */
	struct span mailbox;	/* as imap_parse_mailbox gives it */
	uint32_t uidvalidity;	/* 0: whichever it is */
	uint32_t uid;
	/* The section and, by SECTION and PARTIAL; form and label unused. */
	struct imap_fetch_body part;
};

/* False if it is none. Spans live in the arena. */
bool imap_url_parse(struct span text, struct arena *a, struct imap_url *url);

#endif
