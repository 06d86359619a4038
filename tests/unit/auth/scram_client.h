/*
 * A SCRAM-SHA-256 client that shares no code with the server: its hashes and
 * its base64 are mbedTLS's.
 */
#ifndef TESTS_UNIT_AUTH_SCRAM_CLIENT_H
#define TESTS_UNIT_AUTH_SCRAM_CLIENT_H

#include <stdbool.h>

#include "server/base/buf.h"
#include "server/base/span.h"

struct scram_client {
	const char *user;		/* escaped by the test */
	const char *password;
	const char *nonce;
	const char *gs2;		/* "n,,", "p=tls-exporter,,", ... */
	struct span binding;		/* with "p" */
	const char *extra;		/* extensions for both, ",x=1" or "" */
	unsigned char auth[32];		/* the server's signature to expect */
	struct buf first;
	struct buf final;
};

void scram_client_init(struct scram_client *c, const char *user,
    const char *password);
void scram_client_release(struct scram_client *c);

/* client-first-message into c->first. */
void scram_client_first(struct scram_client *c);

/* client-final-message into c->final; false: not a server-first-message. */
bool scram_client_final(struct scram_client *c, struct span server_first);

/* Whether "v=..." is the server's own. */
bool scram_client_verify(struct scram_client *c, struct span server_final);

#endif
