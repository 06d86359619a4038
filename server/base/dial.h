/*
 * Outbound connections: a session is made first, then a connection for it.
 *
 * Whoever wants one makes the session and hands it to the dialer with an
 * address; it is then driven like any other (server/base/session.h): start()
 * once connected (and, where TLS comes first, secured), end() last, whatever
 * happens. A connection that never came about is end() without start(). Why
 * it ended is in peer.failure before end() is called: there is one way to
 * learn of trouble and no callback beside it.
 *
 * TLS, at WANT_TLS or from the first byte, is made as the session's
 * struct tls_want says. What is asked for is enforced here: a peer who fails
 * a verification that was demanded ends the session (peer.failure ERR_TLS,
 * peer.tls_fault), and nothing the session says ever reaches him.
 *
 * Thread: the loop's.
 */
#ifndef SERVER_BASE_DIAL_H
#define SERVER_BASE_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/addr.h"
#include "server/base/dns.h"
#include "server/base/session.h"

#define DIAL_CONNECT_MS (30 * 1000)
#define DIAL_STALL_MS (3 * 60 * 1000)	/* RFC 5321 section 4.5.3.2.5 */

/* What a certificate must satisfy. */
enum tls_mode_out {
	/* RFC 7435: encrypt, take any certificate. */
	TLS_OPPORTUNISTIC,
	/* A chain to tls_ca_file, and one of the names (RFC 6125). */
	TLS_PKIX,
	/*
	 * One of the TLSA records (RFC 7672 section 3). DANE-EE(3): the key or
	 * certificate alone, whatever its names and dates. DANE-TA(2): a chain
	 * to that anchor, dates, and one of the names. Other usages are
	 * unusable and ignored (section 3.1.3). At least one must be usable:
	 * tls_want_has_usable.
	 */
	TLS_DANE
};

/*
 * What to ask of TLS. Borrowed: lives until the session's end(). Names are
 * A-labels; a name in the certificate may have "*" as its whole first label.
 */
struct tls_want {
	enum tls_mode_out mode;
	const char *server_name;	/* sent as SNI (RFC 6066); NULL: none */
	const char *const *names;	/* reference identifiers */
	size_t name_count;
	const struct dns_record *tlsa;
	size_t tlsa_count;
};

/*
 * RFC 7672 section 3.1, RFC 7671 section 4: whether the records have one we
 * can verify with: usage 2 or 3, selector 0 or 1, matching type 0 to 2, and
 * data of the right length.
 */
bool tls_want_is_usable(const struct dns_record *tlsa);
bool tls_want_has_usable(const struct dns_record *tlsa, size_t count);

struct dial_to {
	struct addr addr;
	uint16_t port;		/* tests have 25 and 443 lead elsewhere */
	/* The local address of the same family; all zero: the system's. */
	struct addr from;
	/* TLS before start(), as session->tls_want says. */
	bool has_tls_first;
	/*
	 * Loopback, unspecified and multicast addresses are refused, so that
	 * nobody's MX makes us talk to ourselves; an address that the
	 * configuration names is exempt.
	 */
	bool is_configured;
	int64_t connect_ms;		/* 0: DIAL_CONNECT_MS */
	int64_t stall_ms;		/* 0: DIAL_STALL_MS */
};

struct dialer {
	/*
	 * Takes s unless it fails; never calls into s during the call.
	 * ERR_BUSY: too many connections out already; ERR_DENIED: an address
	 * nobody may be sent to; ERR_IO: no socket for such an address.
	 */
	int (*dial)(struct dialer *, const struct dial_to *to,
	    struct session *s);
};

static inline int
dial(struct dialer *d, const struct dial_to *to, struct session *s)
{
	return d->dial(d, to, s);
}

#endif
