/*
 * The queue's rows: what its writing and reading share.
 */
#ifndef STORE_QUEUE_PRIV_H
#define STORE_QUEUE_PRIV_H

#include "store/queue.h"
#include "store/write.h"
#include "store/writer_priv.h"

/*
 * A filter over q (queue) and r (queue_rcpt), as the end of a WHERE whose
 * parameter ?1 is the id.
 */
#define QUEUE_FILTER_SQL \
	" (?2 IS NULL OR q.sender = ?2 COLLATE NOCASE)" \
	" AND (?3 IS NULL OR r.rcpt = ?3 COLLATE NOCASE)" \
	" AND (?4 IS NULL OR substr(r.rcpt, -length(?4) - 1)" \
	" = '@' || ?4 COLLATE NOCASE)" \
	" AND (?5 < 0 OR r.state = ?5)" \
	" AND (?6 IS NULL OR r.destination = ?6)"
#define QUEUE_FILTER_ARGS(f) \
	A_INT((f)->id), A_STR((f)->sender), A_STR((f)->rcpt), \
	A_STR((f)->domain), A_INT((f)->state), A_STR((f)->destination)

/* A message of this content joins; sets q->id_r. In the transaction of t. */
int queue_put(struct wtxn *t, struct queue_new *q, uint64_t content,
    int64_t now_s);

/* Records that there is other work than before. */
void queue_changed(struct wtxn *t);

int apply_queue_result(struct wtxn *t, struct wreq *w);
int apply_queue_edit(struct wtxn *t, struct wreq *w);
/*
 * Results free what has been sent; only notices need room. Refused for now,
 * they come again.
 */
bool queue_result_grows(const struct wreq *w);
size_t queue_result_bytes(const struct wreq *w);
void queue_result_ended(struct store *store, struct wreq *w, int err);

/* ---- write_sent.c: a delivery's sender ---- */

/* Whether the sender gets a copy of his own, and where it goes. */
struct sent_plan {
	struct mailbox_row box;
	bool is_wanted;
};
int sent_plan(struct wtxn *t, const struct wreq_deliver *r,
    struct sent_plan *p);
/* content: of r->spool; the copy is counted already. */
int sent_file(struct wtxn *t, const struct wreq_deliver *r,
    struct sent_plan *p, uint64_t content);

/*
 * A client has put a message into its own mailbox for \Sent: a copy of ours
 * goes, or none is made when it comes.
 */
int sent_appended(struct wtxn *t, uint64_t account, uint64_t mailbox,
    uint32_t uid, const struct spool *s, int64_t now_s);

/* What is too old to matter goes. */
int sent_purge(struct wtxn *t, int64_t now_s);

/* Counts against r->caps; ERR_LIMIT. */
int send_charge(struct wtxn *t, struct wreq_deliver *r);

#endif
