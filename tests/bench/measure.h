/*
 * What all rows share: the server's CPU time and memory, several clients at
 * once, medians, and how a row is printed.
 */
#ifndef TESTS_BENCH_MEASURE_H
#define TESTS_BENCH_MEASURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "tests/bench/client.h"

struct target {
	int smtp, pop3, imap, imaps;
	const char *user, *password;
	int pid;
	unsigned messages;	/* in the large mailbox */
};

/*
 * "name value unit cpu": what was measured, and the CPU time that all threads
 * of the server used for it. On a machine that does other things as well the
 * CPU time says more. cpu_ms below 0: not known.
 */
void row(const char *name, double value, const char *unit, double cpu_ms);

/* CPU milliseconds that the server has used, all threads. */
double cpu_ms(const struct target *t);

/* Its private memory in KiB. */
double memory_kib(const struct target *t);

/* The p-th (0..1) of n values, which are sorted. */
double percentile(double *v, size_t n, double p);

/* One of several clients, a thread each. */
struct worker {
	const struct target *t;
	unsigned index, count;
	size_t size;
	double *times;		/* for percentiles; may be NULL */
	bool tls;
	const char *mailbox;
	atomic_bool *stop;
	unsigned long done;
};

/* Runs them all, with their index set; how many milliseconds it took. */
double run_workers(struct worker *w, unsigned n, void *(*body)(void *));

/* A logged-in IMAP session with the mailbox selected, if it is not NULL. */
struct client *open_mailbox(const struct target *t, bool tls,
    const char *mailbox);

/* Runs an IMAP command reps times: median time, mean CPU time. */
void measure_command(const struct target *t, struct client *c,
    const char *name, const char *command, unsigned reps);

/* A message of about size bytes; one in a thousand has a word to find. */
size_t make_message(char *out, size_t cap, unsigned n, size_t size);

/* APPENDs a message; the answer must be OK. */
void append(struct client *c, const char *mailbox, const char *m, size_t len);

/* ---- the rows, in load_*.c ---- */

void measure_smtp(const struct target *t);
void measure_idle(const struct target *t);
void fill_inbox(const struct target *t);
void measure_logins(const struct target *t);
void measure_appends(const struct target *t);
void measure_select(const struct target *t);
void measure_reading(const struct target *t);
void measure_search(const struct target *t);
void measure_store(const struct target *t);
void measure_moving(const struct target *t);
void measure_large(const struct target *t);
void measure_mixed(const struct target *t);
void measure_pop3(const struct target *t);
void measure_memory(const struct target *t);
void measure_memory_large(const struct target *t);

#endif
