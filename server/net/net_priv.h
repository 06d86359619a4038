/*
 * What the files of server/net know of each other and nobody else does.
 */
#ifndef SERVER_NET_NET_PRIV_H
#define SERVER_NET_NET_PRIV_H

#include <uv.h>

#include "server/base/buf.h"
#include "server/net/loop.h"

/* A lent buffer that has grown over this is not kept. */
#define LEND_MAX (1024u * 1024)
/* Nor is more than this moved into one. */
#define LEND_COPY_MAX 4096u

struct loop {
	uv_loop_t uv;
	uv_async_t wake;	/* the home queue has something */
	uv_prepare_t prepare;	/* runs the tasks, before each wait */
	uv_idle_t idle;		/* active: do not wait, there are tasks */
	struct post home;
	struct list soon, later;
	struct clock *clock;
	struct stats *stats;
	/*
	 * Memory lent to the connection whose turn it is, so that an idle one
	 * has none and a busy one does not allocate.
	 */
	struct buf lend_in, lend_out;		/* a session's bytes */
	struct buf lend_cipher_in, lend_cipher_out;
	struct buf lend_packed;
	struct deflater *deflater;	/* everybody's; NULL: not needed yet */
};

/* When a turn began. */
struct loop_turn {
	int64_t mono_us, cpu_us;
};

/* Around everything that the loop calls. */
struct loop_turn loop_turn_begin(struct loop *l);
void loop_turn_end(struct loop *l, struct loop_turn start);

/* Gives b the memory that *lend has, if that is more; b's bytes move. */
void lend_take(struct buf *lend, struct buf *b);

/* Takes it back; what b still holds is copied to memory of its size. */
void lend_return(struct buf *lend, struct buf *b);

#endif
