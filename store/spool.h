/*
 * A message being received: memory first, staged chunks when it grows.
 *
 * Bytes pass through the MIME scanner and the content hash as they come, so
 * that at the end the digest is there. Up to SPOOL_CHUNK bytes stay in memory
 * (charged to the budget); beyond, each full chunk becomes a stage request
 * that the session submits. While SPOOL_STAGES_MAX are out the session must
 * not feed more (spool_is_full). When all spools together hold much, each
 * writes its chunks in parts, and so keeps less.
 *
 * Exactly one holder: the session, then the write request it moves into.
 * Thread: the loop's; after submission the writer's.
 */
#ifndef STORE_SPOOL_H
#define STORE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/env.h"
#include "server/base/hash.h"
#include "server/base/session.h"

#define SPOOL_CHUNK (256u * 1024)	/* bytes of one chunk row */
#define SPOOL_STAGES_MAX 2
/* With more in all spools of the process, each stages at SPOOL_PART. */
#define SPOOL_SHARE (64u * 1024 * 1024)
#define SPOOL_PART (64u * 1024)

struct digest;
struct spool;

/* max: bytes the whole message may have. Returns owned. */
struct spool *spool_new(struct env *env, uint64_t max);

/* Frees; what was staged is given back to the store to sweep. */
void spool_free(struct spool *s);

/*
 * Adds bytes. Returns 0, ERR_LIMIT over max, ERR_BUDGET; after an error the
 * spool only counts and refuses (spool_error tells), so that the protocol can
 * read the message to its end.
 */
int spool_add(struct spool *s, const char *p, size_t len);
int spool_error(const struct spool *s);
uint64_t spool_size(const struct spool *s);

/*
 * If a full chunk waits, submits it as a write request owned by session (its
 * done() gets the op with op.tag SPOOL_OP_TAG and gives it to spool_staged).
 * Call after spool_add until it returns false. Counts in spool_is_full.
 */
#define SPOOL_OP_TAG 0x5b001
bool spool_submit_stage(struct spool *s, struct session *session);
/* Takes the op. Returns its error, which spool_error gives from then on. */
int spool_staged(struct spool *s, struct op *op);
bool spool_is_full(const struct spool *s);	/* wait before adding more */
bool spool_has_stages_out(const struct spool *s);

/*
 * The message has ended: makes digest and hash. If it was staged, also the
 * rest is (spool_submit_stage once more); wait until no stages are out before
 * the spool moves into a request. Returns 0 or the spool's error.
 */
int spool_finish(struct spool *s);

/* After spool_finish; lives as long as the spool. */
const struct digest *spool_digest(const struct spool *s);

/* The bytes, while all of them are in memory; p NULL when staged. */
struct span spool_bytes(const struct spool *s);

#endif
