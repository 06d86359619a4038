/*
 * TLS over memory: cipher bytes in and out, plain bytes in and out.
 *
 * No sockets and no waiting. A struct tls is used by one thread at a time:
 * the loop hands it to a worker for a handshake step (tls_handshake is the
 * costly part) and has it back for the data. What handshakes share (config,
 * certificates, ticket keys, randomness) may be used from any thread.
 *
 * One source for mbedTLS 2.28 (TLS 1.2) and 3.6 (TLS 1.2 and 1.3). At least
 * 1.2, set explicitly; no renegotiation; no compression.
 */
#ifndef SERVER_NET_TLS_H
#define SERVER_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/buf.h"
#include "server/base/dial.h"
#include "server/base/random.h"
#include "server/base/session.h"
#include "server/base/span.h"
#include "server/net/certs.h"

#define TLS_RECORD_MAX (5u + 16384 + 2048)	/* RFC 5246 section 6.2.3 */
#define TLS_TICKET_LIFETIME_S 86400	/* keys change twice in this time */

enum tls_role { TLS_SERVER, TLS_CLIENT };

struct tls_config;

/*
 * A server's: serves certs (takes a reference) and speaks protocol by ALPN
 * ("imap"; NULL: ALPN is not answered). A client that offers ALPN without it
 * is refused with no_application_protocol (RFC 7301 section 3.2); one that
 * offers none is served. Its ticket keys are its own: a new config, made at a
 * reload, resumes nothing of the old one's, so that an old certificate's
 * channel binding does not live on. One reference. Returns NULL if the
 * library refuses, with a sentence in *why.
 */
struct tls_config *tls_config_new_server(struct certset *certs,
    const char *alpn, struct random *random, struct buf *why);

/*
 * A client's, for mail going out: ca_pem is what to trust; empty means that
 * nothing is verified (opportunistic TLS, RFC 7435).
 */
struct tls_config *tls_config_new_client(const char *alpn,
    struct span ca_pem, struct random *random, struct buf *why);

/*
 * A client's that takes its orders for each connection (tls_new_out): ca_pem
 * is what TLS_PKIX trusts; with an empty one it trusts nobody. More is spoken
 * than by a server of ours, for the alternative is often to speak in the
 * clear (RFC 7435 section 3).
 */
struct tls_config *tls_config_new_out(struct span ca_pem,
    struct random *random, struct buf *why);

struct tls_config *tls_config_ref(struct tls_config *cfg);	/* any thread */
void tls_config_unref(struct tls_config *cfg);	/* any thread; NULL legal */

struct tls;

/*
 * One connection's; takes a reference to cfg. server_name is for a client:
 * the name sent and verified, NULL for none. Returns NULL if out of memory.
 */
struct tls *tls_new(struct tls_config *cfg, const char *server_name);

/*
 * For a connection that we make; copies want (NULL: TLS_OPPORTUNISTIC without
 * a name). A certificate that does not satisfy it makes the handshake fail.
 */
struct tls *tls_new_out(struct tls_config *cfg, const struct tls_want *want);
void tls_free(struct tls *t);		/* NULL is legal */

enum tls_result {
	TLS_DONE,	/* the handshake is made */
	TLS_MORE,	/* more cipher bytes are needed first */
	TLS_FAILED	/* over; an alert may be in tls_cipher_out */
};

/* Goes on as far as the cipher bytes fed so far allow. */
enum tls_result tls_handshake(struct tls *t);

/*
 * Where bytes from the network are appended; used up by the calls above and
 * below. What is in it is what is left.
 */
struct buf *tls_cipher_in(struct tls *t);

/*
 * Whether a whole record is there, or ours is to be the first: a handshake
 * step is worth its hop.
 */
bool tls_has_record(const struct tls *t);

/*
 * Up to len plain bytes into p. Returns their count; 0 when more cipher bytes
 * are needed; ERR_CLOSED after the peer's close_notify; ERR_TLS for anything
 * wrong, and then for ever.
 */
int tls_read(struct tls *t, char *p, size_t len);

/* Whether tls_read would return something without being fed. */
bool tls_has_plain(const struct tls *t);

/*
 * Encrypts up to one record's worth of p. Returns the bytes taken, or
 * ERR_TLS. The cipher bytes are in tls_cipher_out.
 */
int tls_write(struct tls *t, const char *p, size_t len);

/* Adds our close_notify; for the end of a connection. */
void tls_close(struct tls *t);

/* What is to go to the network; the caller consumes what it has sent. */
struct buf *tls_cipher_out(struct tls *t);

/* Fills peer's tls fields after TLS_DONE; the rest is left alone. */
void tls_fill_peer(struct tls *t, struct peer *peer);

/* Whether this handshake resumed an older session. */
bool tls_is_resumed(const struct tls *t);

/* Why the certificate was not enough; TLS_FAULT_NONE if that was not it. */
enum tls_fault tls_fault(const struct tls *t);

/* Why it failed, for a log line; "" if it has not. Lives as long as t. */
const char *tls_error(const struct tls *t);

#endif
