/*
 * Counters for `status`: what happened since the start. Atomic, any thread.
 */
#ifndef SERVER_BASE_STATS_H
#define SERVER_BASE_STATS_H

#include <stdatomic.h>
#include <stdint.h>

/* X(name, what it counts) */
#define STATS_LIST(X) \
	X(connections,        "connections accepted") \
	X(connections_open,   "connections open now") \
	X(connections_refused,"connections refused by a limit") \
	X(tls_handshakes,     "TLS handshakes finished") \
	X(tls_resumed,        "of these, resumed") \
	X(tls_failed,         "TLS handshakes failed") \
	X(logins,             "log-ins that worked") \
	X(logins_failed,      "log-ins that did not") \
	X(hash_jobs,          "password hashes computed") \
	X(messages_received,  "messages accepted by SMTP") \
	X(messages_refused,   "messages or recipients refused by SMTP") \
	X(deliveries,         "copies put into mailboxes") \
	X(commits,            "transactions committed") \
	X(commit_requests,    "write requests in them") \
	X(checkpoints,        "checkpoints of the log") \
	X(store_errors,       "errors that the database reported") \
	X(loop_turns_long,    "turns of the loop over 2 ms") \
	X(loop_turns_busy,    "of these, with 2 ms of CPU time")

struct stats {
#define X(name, text) _Atomic uint64_t name;
	STATS_LIST(X)
#undef X
};

#define STAT_ADD(stats, name, n) \
	((void)atomic_fetch_add_explicit(&(stats)->name, (uint64_t)(n), \
	    memory_order_relaxed))
#define STAT_SUB(stats, name, n) \
	((void)atomic_fetch_sub_explicit(&(stats)->name, (uint64_t)(n), \
	    memory_order_relaxed))
#define STAT_GET(stats, name) \
	atomic_load_explicit(&(stats)->name, memory_order_relaxed)

#endif
