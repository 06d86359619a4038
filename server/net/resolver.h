/*
 * The resolver: libunbound behind struct dns_source.
 *
 * Validates DNSSEC in the process, so that nothing on the host has to be
 * trusted or even set up: without forwarders it asks the name servers of the
 * world itself, from the root down. Neither /etc/resolv.conf nor /etc/hosts
 * is read.
 *
 * libunbound works on a thread of its own (a signature check of an answer may
 * take milliseconds); its answers are taken on the loop. Questions waiting are
 * capped, each has a deadline, and the cache is bounded. Answers that are
 * truncated are asked for again by TCP; those that do not belong to a
 * question, or say more than was asked, are not believed: that is the
 * library's part.
 *
 * Thread: the loop's.
 */
#ifndef SERVER_NET_RESOLVER_H
#define SERVER_NET_RESOLVER_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/dns.h"
#include "server/base/env.h"
#include "server/net/loop.h"

#define RESOLVER_MAX 512	/* questions waiting; beyond: DNS_SERVFAIL */

struct resolver_settings {
	/* "192.0.2.53" or "192.0.2.53@5353"; none: ask the world. */
	const char *const *forward;
	size_t forward_count;
	/*
	 * A file with DS or DNSKEY records of the root; NULL: nothing is
	 * validated and every answer is DNS_INSECURE.
	 */
	const char *trust_anchor;
	const char *root_hints;		/* a file; NULL: the built-in ones */
	int64_t deadline_ms;		/* 0: DNS_DEADLINE_MS */
};

struct resolver;

/*
 * Copies the settings; reads the files. Borrows loop and env, which outlive
 * it. Returns NULL with a sentence in *why.
 */
struct resolver *resolver_new(struct loop *loop, struct env *env,
    const struct resolver_settings *set, struct buf *why);

/* For env->dns. Lives as long as the resolver. */
struct dns_source *resolver_source(struct resolver *r);

/*
 * Questions out come home as DNS_TIMEOUT; deliver the loop's posts
 * afterwards. NULL is legal.
 */
void resolver_free(struct resolver *r);

#endif
