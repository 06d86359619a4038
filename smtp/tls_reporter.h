/*
 * Reports on TLS, counted by day and sent (RFC 8460).
 *
 * Agents tell what became of each connection; it is counted in the store. Some
 * hours into the next day the counts of each domain are made into a report
 * and queued, if the domain's DNS asks for one by mail, and forgotten in any
 * case. A report is DKIM-signed, or not sent at all (section 3).
 *
 * Thread: the loop's.
 */
#ifndef SMTP_TLS_REPORTER_H
#define SMTP_TLS_REPORTER_H

#include "server/base/env.h"
#include "smtp/route.h"
#include "smtp/smtp_out.h"

/* Section 4.1: not everybody at once, and not at midnight. */
#define TLS_REPORT_DELAY_MIN_S (30 * 60)
#define TLS_REPORT_DELAY_S (4 * 3600)
#define TLS_REPORT_RETRY_S 3600
#define TLS_REPORT_EXPIRE_S 86400	/* in the queue; section 5.5 */

/* Counts a connection to h of domain's route that has ended as why says. */
void tls_reporter_count(struct env *env, struct span domain,
    const struct route_host *h, const struct route_sts *sts,
    const struct peer *peer, const struct out_result *why);

struct tls_reporter;

/*
 * contact is the address that reports come from, in a domain with a DKIM key;
 * "" or NULL: none are sent. Borrows all three.
 */
struct tls_reporter *tls_reporter_new(struct env *env,
    const struct route_settings *route, const char *contact);

/* Does what is due; cheap when nothing is. To be called every few seconds. */
void tls_reporter_tick(struct tls_reporter *r);

void tls_reporter_free(struct tls_reporter *r);	/* NULL is legal */

#endif
