/*
 * What the writer sees of a spool, and the requests that stage its chunks.
 */
#ifndef STORE_SPOOL_PRIV_H
#define STORE_SPOOL_PRIV_H

#include "server/base/list.h"
#include "store/mime/mime.h"
#include "store/spool.h"
#include "store/store.h"

struct spool_part;

struct spool {
	struct env *env;
	uint64_t max, size;
	int err;			/* the first; only counting from then */
	bool finished;
	size_t charged;			/* bytes taken from the budget */
	struct buf bytes;		/* the part being filled */
	struct spool_part *pending, **pending_tail;	/* full, to stage */
	unsigned n;			/* of the chunk that bytes are in */
	size_t at;			/* bytes of it that went before */
	bool staged;			/* something is, or will be */
	unsigned out;			/* stage requests not home yet */
	uint64_t content;		/* staged so far; 0: none */
	struct mime *mime;
	const struct digest *digest;	/* after spool_finish */
	struct buf digest_bytes;
	struct blake2b hash_state;
	unsigned char hash[BLAKE2B_LEN];
};

/*
 * The writer is done with what was staged: it is linked, or has been given
 * back. spool_free has nothing more to do about it. Thread: whoever holds it.
 */
void spool_settle(struct spool *s);

/* A chunk, or a part, on its way. Owns its bytes, which are charged. */
struct wreq_stage {
	struct wreq w;
	struct env *env;
	uint64_t content;		/* 0: the first, makes one */
	unsigned n;			/* of the chunk */
	size_t at;			/* where in the chunk; 0 makes it */
	char *bytes;
	size_t len;
	bool claimed;			/* its spool has taken content_r */
	/* result */
	uint64_t content_r;
};

/* What was staged is not wanted any more. Nobody waits. */
struct wreq_unstage {
	struct wreq w;
	uint64_t content;
};
/* Without a home: the writer frees it. */
struct wreq_unstage *wreq_unstage_new(uint64_t content);

#endif
