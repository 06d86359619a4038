/*
 * Certificates: immutable, counted sets, chosen by server name.
 *
 * A set is built, then never changed: a reload builds another one, and
 * connections keep the one they began with by reference. Once shared,
 * handshakes read it on any thread.
 */
#ifndef SERVER_NET_CERTS_H
#define SERVER_NET_CERTS_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/random.h"
#include "server/base/span.h"

#define CERT_FILE_MAX (256u * 1024)	/* bytes of a PEM file */
#define CERT_NAMES_MAX 100		/* host names of one certificate */
#define CERT_SETS_MAX 256		/* certificates of one set */
#define CERT_FINGERPRINT_LEN 32		/* SHA-256 */
#define CERT_ENDPOINT_MAX 64		/* SHA-512 */

struct certset;

/* An empty set with one reference. */
struct certset *certset_new(struct random *random);

/*
 * Adds a chain, leaf first, with its key, both PEM; copies. The names it
 * serves are the DNS names of subjectAltName, or else the common name, with
 * "*" as a whole first label. name is for messages and logs. The first one
 * added is the default. Only while nobody else has the set.
 *
 * Returns 0, or ERR_CONFIG with a sentence in *why: not PEM, the key does not
 * belong to the certificate, too weak, over a cap. An expired one is taken.
 */
int certset_add(struct certset *set, const char *name, struct span chain_pem,
    struct span key_pem, struct buf *why);

struct certset *certset_ref(struct certset *set);	/* any thread */
void certset_unref(struct certset *set);	/* any thread; NULL is legal */

size_t certset_count(const struct certset *set);

/* What status shows of one. Borrowed from the set. */
struct cert_info {
	const char *name;		/* as given to certset_add */
	int64_t not_before_s, not_after_s;
	unsigned char fingerprint[CERT_FINGERPRINT_LEN];
	/* RFC 5929 section 4.1: tls-server-end-point. */
	unsigned char endpoint[CERT_ENDPOINT_MAX];
	size_t endpoint_len;
	const char *const *hosts;	/* lower case, A-labels */
	size_t host_count;
};
const struct cert_info *certset_info(const struct certset *set, size_t i);

/*
 * The one for a server name as sent (any case, "" when none): an exact name
 * goes before a wildcard (RFC 6125 section 6.4.3), and else the default.
 * Returns an index; the set must not be empty.
 */
size_t certset_choose(const struct certset *set, struct span server_name);

/*
 * A self-signed certificate for 1..CERT_NAMES_MAX host names, ECDSA P-256,
 * valid from a day before now_s for days. Appends PEM to both. Returns 0,
 * ERR_BADNAME (empty or over 253 bytes), or ERR_CRYPTO.
 */
int cert_make_self_signed(struct random *random, const char *const *names,
    size_t name_count, int64_t now_s, unsigned days, struct buf *cert_pem,
    struct buf *key_pem);

/*
 * What a PEM certificate says of itself, without a key: fills *info (name
 * "", hosts NULL) and appends its names to *hosts, one a line. Returns 0, or
 * ERR_CONFIG with a sentence in *why.
 */
int cert_describe(struct span pem, struct cert_info *info, struct buf *hosts,
    struct buf *why);

#endif
