/*
 * The certificates in use: those of the configuration's files and those that
 * `cert load` put into the store. Loaded ones go before files, because a
 * newcomer's first file is self-signed.
 */
#ifndef SERVER_CERTIFICATES_H
#define SERVER_CERTIFICATES_H

#include "server/base/random.h"
#include "server/base/span.h"
#include "server/config.h"
#include "server/net/certs.h"

struct cert_pair {
	char *name;
	struct buf chain, key;	/* PEM; key is wiped when freed */
	bool is_stored;
};

struct certificates {
	struct random *random;
	struct cert_pair *v;	/* stored ones first */
	size_t n;
};

void certificates_init(struct certificates *k, struct random *random);
void certificates_release(struct certificates *k);

/*
 * Reads the files that the configuration names, in place of those read
 * before. On error nothing has changed and *why says FILE:LINE and reason.
 */
int certificates_read(struct certificates *k, const struct config *c,
    struct buf *why);

/* Puts one from the store in, in place of the one with the same name. */
void certificates_put_stored(struct certificates *k, const char *name,
    struct span chain, struct span key);

/* Builds the set of all, one reference; NULL with a sentence in *why. */
struct certset *certificates_build(const struct certificates *k,
    struct buf *why);

/*
 * Checks a pair alone. name gets its first host name. 0 or ERR_CONFIG with a
 * sentence.
 */
int certificates_check(struct random *random, struct span chain,
    struct span key, char *name, size_t name_size, int64_t *not_after_s,
    struct buf *why);

#endif
