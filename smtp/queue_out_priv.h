/*
 * Sending from inside: scheduler (queue.c), agents (agent.c), notices
 * (notice.c).
 */
#ifndef SMTP_QUEUE_OUT_PRIV_H
#define SMTP_QUEUE_OUT_PRIV_H

#include "server/base/arena.h"
#include "server/base/dial.h"
#include "server/base/facts.h"
#include "server/base/list.h"
#include "smtp/dsn.h"
#include "smtp/queue.h"
#include "smtp/smtp_out.h"
#include "store/hub.h"
#include "store/queue.h"
#include "store/write.h"

#define AGENT_MAILS 16		/* messages that an agent has in hand */

struct queue {
	struct env *env;
	const struct queue_settings *set;
	void (*wake)(struct queue *, void *);
	void *arg;
	struct hub_listener news;
	struct list agents;
	unsigned agent_count;
	struct op_waiter wait;		/* for what is due */
	bool is_dirty;			/* ask again when that is home */
	bool is_stopping;
	int64_t look_ms;		/* when to ask next; 0: no need */
	int64_t next_s;			/* for people */
	int64_t start_wall_s, start_ms;
	int64_t drift_s;		/* of wall time since then */
	int64_t deadline_ms;
};

/* What is too old now: the earlier of two clocks, see queue.h. */
int64_t queue_old_s(const struct queue *q);

/* An agent has room, or there may be more to do. */
void queue_look(struct queue *q);
/* Deadlines of agents have changed. */
void queue_reckon(struct queue *q);

/* ---- notices: what the sender is told of results ---- */

/*
 * One message's results on their way to the store: what its sender has to be
 * told is put together first. done() takes req.
 */
struct notice {
	struct queue *q;
	struct op_waiter wait;
	const struct queue_mail *mail;	/* borrowed until done() */
	struct wreq_queue_result *req;
	struct dsn_rcpt *rcpts;
	size_t rcpt_count;
	struct buf original;
	bool is_full;			/* original is all of it */
	bool is_read;			/* it is there */
	void (*done)(struct notice *);
};

/*
 * Starts; rcpts is what is to be told (malloc; taken), none: done() is called
 * at once.
 */
void notice_start(struct notice *n);
/* Gives up, and frees what it holds; legal on a zeroed one. */
void notice_release(struct notice *n);

/* ---- agents ---- */

/* A recipient's domain as it is asked for in DNS; lives in the arena. */
struct span destination_domain(struct arena *a, struct span domain);

/* What is known of one recipient of the message in hand. */
struct agent_rcpt {
	bool is_settled;		/* no other host need be asked */
	struct out_result last;		/* status, code, enhanced, takes_dsn */
	bool has_last;
	char text[OUT_TEXT_MAX + 1];
	char host[OUT_HOST_MAX + 1];
	char addr[ADDR_TEXT_MAX];
	char tls[16];
};

enum agent_state {
	AGENT_READ,		/* asks for work */
	AGENT_ROUTE,		/* asks where to */
	AGENT_PARKED,		/* the host has its connections already */
	AGENT_DIAL,
	AGENT_SEND,		/* a session is there, or on its way */
	AGENT_QUIT,		/* it is to end; then the next host */
	AGENT_COMMIT,		/* results are on their way to the disk */
	AGENT_IDLE,		/* nothing to do for a moment */
	AGENT_SWEEP,		/* tells those who have waited too long */
	AGENT_LEAVE		/* the session is to end, and then this */
};

struct agent {
	struct out_owner owner;		/* first */
	struct list node;
	struct queue *q;
	char *destination;
	unsigned failures;		/* in a row, before */
	enum agent_state state;
	struct op_waiter wait;
	struct op *kept;		/* results to be submitted again */
	int64_t deadline_ms;		/* AGENT_IDLE, and a retry of ours */
	/* work in hand */
	struct rjob_queue_work *work;
	size_t at;			/* the message in hand */
	struct agent_rcpt *rcpts;	/* of that message */
	struct queue_mail part;		/* what the session is given of it */
	size_t *part_of;		/* its recipients, in the message */
	bool is_sending;		/* the session has it */
	bool has_more;			/* there was more than could be read */
	bool has_called;		/* for another agent, for that */
	int64_t begun_ms;
	/* the way */
	struct facts facts;
	struct arena arena;		/* of the route */
	struct route route;
	bool has_route;
	unsigned route_flags;		/* of the messages it is for */
	struct span route_domain;	/* whose route it is; in arena */
	size_t host, addr;
	bool is_host_done;		/* the next one, from now on */
	bool without_tls;		/* once more, because TLS failed */
	struct session *session;
	bool is_ready;			/* it has said so: the host answers */
	bool is_proven;			/* a message has got through */
	bool has_settled;		/* somebody got an answer this round */
	bool has_failed;		/* the destination, this round */
	char why[OUT_TEXT_MAX + 1];	/* of the last failure */
	int why_code;
	char why_status[12];
	struct notice notice;
	struct rjob_queue_overdue *overdue;
	size_t overdue_at;
};

void agent_start(struct queue *q, const struct queue_dest *dest);
/* Forgets everything; the session has been ended by its driver. */
void agent_free(struct agent *a);
/* There is new work at the destination: an idle one goes on. */
void agent_poke(struct agent *a);
/* deadline_ms has passed. */
void agent_timeout(struct agent *a);
/* A connection has ended somewhere: is there room at the host now? */
void agent_unpark(struct agent *a);
void agent_stop(struct agent *a);

/* The message in hand; NULL: none. */
struct queue_mail *agent_mail(const struct agent *a);
/* Work and answers are of no more use. */
void agent_drop_work(struct agent *a);
/* Nothing more to do: the session, if there is one, ends first. May free a. */
void agent_leave(struct agent *a);
/* The ids of all that agents of the destination have in hand; owned. */
uint64_t *agent_ids(const struct agent *a, size_t *n);

/* ---- agent_result.c ---- */

/* How long to wait after so many failures, and this one. */
int64_t agent_backoff_s(const struct queue *q, unsigned before);
/* The next try, after wait_s at the latest. */
int64_t agent_next_try_s(const struct queue *q, const struct queue_mail *m,
    int64_t wait_s);
/* "5.1.1 words"; owned. */
char *agent_words(const char *status, const char *text);
/* Room for so many results; owned. */
struct wreq_queue_result *agent_request(struct agent *a, size_t results);
/* Adds what recipient i of m got. */
void agent_put_result(const struct agent *a, const struct queue_mail *m,
    size_t i, struct wreq_queue_result *req);
/* req's results, all of m, go to the store; takes req. */
void agent_commit(struct agent *a, const struct queue_mail *m,
    struct arena *arena, struct wreq_queue_result *req);
void agent_notice_done(struct notice *n);
/* Tells those who have waited too long; ends with agent_leave. */
void agent_sweep(struct agent *a);
void agent_sweep_came(struct agent *a, struct op *op);
void agent_sweep_next(struct agent *a);

#endif
