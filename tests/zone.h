/*
 * A DNS of a test's own making: a struct dns_source over a list of records.
 *
 * What is not in it is NXDOMAIN, or NODATA where the name has other records
 * or names below it. CNAMEs are followed, eight at most, as a resolver does;
 * an answer is secure only if all of its records are.
 */
#ifndef TESTS_ZONE_H
#define TESTS_ZONE_H

#include <stdbool.h>

#include "server/base/dns.h"
#include "server/base/list.h"

struct zone {
	struct dns_source source;
	struct list records;
	unsigned asked;		/* questions so far */
};

void zone_init(struct zone *z);
void zone_release(struct zone *z);

/*
 * Adds a record as a zone file would have it: "10 mx.example.org" for MX,
 * "3 1 1 AB01" for TLSA, the text itself for TXT; or an outcome for name and
 * type: nodata, nxdomain, servfail, timeout. mark is "", "secure" or "bogus".
 * A record replaces an outcome and the other way round. Returns false if it
 * is not well formed.
 */
bool zone_add(struct zone *z, struct span name, struct span type,
    struct span value, struct span mark);

#endif
