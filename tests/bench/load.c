/*
 * Measures a running server over loopback and prints a line a row.
 *
 * usage: load SMTP POP3 IMAP IMAPS USER PASSWORD PID MESSAGES [GROUP...]
 *
 * Ports, an account, the server's process, how many messages to fill the
 * large mailbox with, and which groups of rows are wanted, all by default
 * (the list is at the end of this file). Bounded in count and time.
 * tests/bench/run starts the server and calls this.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/random.h"
#include "server/base/xalloc.h"
#include "tests/bench/measure.h"

/* ---- log-ins and APPENDs ---- */

static void *
login_body(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < w->count; i++) {
		struct client *c = open_mailbox(w->t, w->tls, NULL);

		imap_run(c, "LOGOUT");
		client_close(c);
	}
	return NULL;
}

void
measure_logins(const struct target *t)
{
	struct worker w[4];

	for (int tls = 0; tls < 2; tls++) {
		unsigned count = tls ? 100 : 1000;
		double cpu = cpu_ms(t), ms, n = count * COUNT(w);

		for (unsigned i = 0; i < COUNT(w); i++)
			w[i] = (struct worker){ .t = t, .count = count,
			    .tls = tls };
		ms = run_workers(w, COUNT(w), login_body);
		row(tls ? "log-ins, 4 clients, TLS" :
		    "log-ins, 4 clients, plain", n * 1000 / ms, "/s",
		    (cpu_ms(t) - cpu) / n);
	}
}

static void *
append_body(void *arg)
{
	struct worker *w = arg;
	struct client *c = open_mailbox(w->t, false, NULL);
	char m[8192];

	for (unsigned i = 0; i < w->count; i++)
		append(c, "Archive", m, make_message(m, sizeof m, i, 4096));
	client_close(c);
	return NULL;
}

void
measure_appends(const struct target *t)
{
	struct worker w[4];

	for (unsigned n = 1; n <= COUNT(w); n += COUNT(w) - 1) {
		double cpu = cpu_ms(t), ms;
		char name[64];

		for (unsigned i = 0; i < n; i++)
			w[i] = (struct worker){ .t = t, .count = 1000 };
		ms = run_workers(w, n, append_body);
		(void)snprintf(name, sizeof name, "APPEND, %u connection%s", n,
		    n > 1 ? "s" : "");
		row(name, 1000.0 * n * 1000 / ms, "/s",
		    (cpu_ms(t) - cpu) / (1000.0 * n));
	}
}

/* ---- a mixed load: everyday commands on a mailbox of 10,000 ---- */

#define MIXED_MESSAGES 10000u

static void
mixed_step(struct client *c, uint32_t dice, uint32_t place)
{
	unsigned at = 1 + place % MIXED_MESSAGES;
	char command[160], m[8192];

	if (dice < 25) {
		(void)snprintf(command, sizeof command, "FETCH %u:%u (UID "
		    "FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS "
		    "(FROM TO SUBJECT DATE)])", at,
		    MIN(at + 49, MIXED_MESSAGES));
	} else if (dice < 55) {
		(void)snprintf(command, sizeof command,
		    "FETCH %u (UID BODY.PEEK[])", at);
	} else if (dice < 70) {
		(void)snprintf(command, sizeof command,
		    "STORE %u %cFLAGS (\\Seen)", at, place & 1 << 20 ? '+' :
		    '-');
	} else if (dice < 85) {
		(void)snprintf(command, sizeof command, "NOOP");
	} else if (dice < 90) {
		(void)snprintf(command, sizeof command, "SEARCH UNSEEN");
	} else if (dice < 95) {
		(void)snprintf(command, sizeof command,
		    "STATUS INBOX (MESSAGES UNSEEN UIDNEXT)");
	} else {
		append(c, "Sent", m, make_message(m, sizeof m, place, 4096));
		return;
	}
	imap_run(c, command);
}

static void *
mixed_body(void *arg)
{
	struct worker *w = arg;
	struct client *c = open_mailbox(w->t, false, "Archive");
	struct seeded_random r;

	seeded_random_init(&r, w->index + 1);
	while (!atomic_load(w->stop)) {
		uint32_t n[2];

		random_fill(&r.random, n, sizeof n);
		mixed_step(c, n[0] % 100, n[1]);
		w->done++;
	}
	client_close(c);
	return NULL;
}

static void *
stop_after(void *arg)
{
	struct worker *w = arg;

	sleep(5);
	atomic_store(w->stop, true);
	return NULL;
}

static void
mixed_clients(const struct target *t, unsigned clients)
{
	struct worker *w = xcalloc(clients + 1, sizeof *w);
	double cpu = cpu_ms(t), ms, done = 0;
	atomic_bool stop = false;
	pthread_t timer;
	char name[64];

	for (unsigned i = 0; i <= clients; i++)
		w[i] = (struct worker){ .t = t, .stop = &stop };
	if (pthread_create(&timer, NULL, stop_after, &w[clients]))
		die("no more threads");
	ms = run_workers(w, clients, mixed_body);
	(void)pthread_join(timer, NULL);
	for (unsigned i = 0; i < clients; i++)
		done += (double)w[i].done;
	(void)snprintf(name, sizeof name, "mixed load, %u clients", clients);
	row(name, done * 1000 / ms, "operations/s", (cpu_ms(t) - cpu) / done);
	free(w);
}

void
measure_mixed(const struct target *t)
{
	struct client *c = open_mailbox(t, false, "INBOX");
	char m[8192];

	/* Archive has what measure_appends() put there. */
	imap_run(c, "SELECT Archive");
	client_sendf(c, "s STATUS Archive (MESSAGES)\r\n");
	for (unsigned have = 0;;) {
		char *line = client_line(c), *count;

		if (strncmp(line, "s OK", 4) == 0) {
			for (; have < MIXED_MESSAGES; have++)
				append(c, "Archive", m, make_message(m,
				    sizeof m, have, 4096));
			break;
		}
		count = strstr(line, "MESSAGES ");
		have = count ? (unsigned)strtoul(count + 9, NULL, 10) : have;
	}
	client_close(c);
	mixed_clients(t, 4);
	mixed_clients(t, 20);
}

/* ---- POP3 ---- */

static void
retr_one_by_one(struct client *c)
{
	for (unsigned i = 1; i <= 10000; i++) {
		client_sendf(c, "RETR %u\r\n", i);
		pop3_expect(c, true);
	}
}

static void
retr_pipelined(struct client *c)
{
	for (unsigned i = 1; i <= 10000;) {
		char many[4096];
		size_t len = 0, n = 0;

		for (; n < 100 && i <= 10000; n++, i++)
			len += (size_t)snprintf(many + len,
			    sizeof many - len, "RETR %u\r\n", i);
		client_send(c, many, len);
		for (; n > 0; n--)
			pop3_expect(c, true);
	}
}

static void
measure_retr(const struct target *t, const char *name, unsigned reps,
    void (*retr)(struct client *))
{
	double times[9], cpu = 0;

	for (unsigned i = 0; i < reps; i++) {
		struct client *c = pop3_open(t->pop3, t->user, t->password);
		double cpu_start = cpu_ms(t), start = now_ms();

		retr(c);
		times[i] = now_ms() - start;
		cpu += cpu_ms(t) - cpu_start;
		client_close(c);
	}
	row(name, percentile(times, reps, 0.5), "ms", cpu / reps);
}

void
measure_pop3(const struct target *t)
{
	measure_retr(t, "POP3 RETR of 10,000, one by one", 3,
	    retr_one_by_one);
	measure_retr(t, "POP3 RETR of 10,000, pipelined by 100", 5,
	    retr_pipelined);
}

/* ---- memory ---- */

#define IDLE_FIRST 60	/* these use up what the heap has left over */
#define IDLE_MORE 200

/*
 * Connections that have selected a mailbox and idle. What counts is what each
 * of many costs when the first ones are there already: memory that was freed
 * before would hide what the first ones take.
 */
static void
idle_connections(const struct target *t, bool tls, const char *mailbox,
    const char *name)
{
	struct client **v = xcalloc(IDLE_FIRST + IDLE_MORE, sizeof *v);
	double before = 0;

	for (unsigned i = 0; i < IDLE_FIRST + IDLE_MORE; i++) {
		if (i == IDLE_FIRST) {
			usleep(500 * 1000);
			before = memory_kib(t);
		}
		v[i] = open_mailbox(t, tls, mailbox);
		client_sendf(v[i], "x IDLE\r\n");
		(void)client_line(v[i]);
	}
	usleep(500 * 1000);
	row(name, (memory_kib(t) - before) / IDLE_MORE, "KiB", -1);
	for (unsigned i = 0; i < IDLE_FIRST + IDLE_MORE; i++)
		client_close(v[i]);
	free(v);
}

void
measure_memory(const struct target *t)
{
	row("memory before any connection", memory_kib(t), "KiB", -1);
	idle_connections(t, false, "INBOX", "idle connection, plain");
	idle_connections(t, true, "INBOX", "idle connection, TLS");
}

void
measure_memory_large(const struct target *t)
{
	idle_connections(t, false, "INBOX", "idle connection, large, plain");
	idle_connections(t, true, "INBOX", "idle connection, large, TLS");
}

/* ---- the whole ---- */

/* In this order; those behind fill need it. */
static const struct {
	const char *name;
	void (*run)(const struct target *);
} groups[] = {
	{ "memory", measure_memory },
	{ "smtp", measure_smtp },
	{ "idle", measure_idle },
	{ "login", measure_logins },
	{ "append", measure_appends },
	{ "fill", fill_inbox },
	{ "select", measure_select },
	{ "memory-large", measure_memory_large },
	{ "read", measure_reading },
	{ "search", measure_search },
	{ "store", measure_store },
	{ "large", measure_large },
	{ "pop3", measure_pop3 },
	{ "mixed", measure_mixed },
	{ "move", measure_moving },
};

static bool
is_wanted(const char *name, int argc, char **argv)
{
	bool all = argc <= 9;

	for (int i = 9; i < argc; i++)
		all |= strcmp(argv[i], name) == 0;
	return all;
}

int
main(int argc, char **argv)
{
	struct target t;

	if (argc < 9) {
		fprintf(stderr, "usage: load SMTP POP3 IMAP IMAPS USER "
		    "PASSWORD PID MESSAGES [GROUP...]\n");
		return 2;
	}
	t = (struct target){
		.smtp = (int)strtol(argv[1], NULL, 10),
		.pop3 = (int)strtol(argv[2], NULL, 10),
		.imap = (int)strtol(argv[3], NULL, 10),
		.imaps = (int)strtol(argv[4], NULL, 10),
		.user = argv[5], .password = argv[6],
		.pid = (int)strtol(argv[7], NULL, 10),
		.messages = (unsigned)strtoul(argv[8], NULL, 10),
	};
	if (base_random_start() < 0)
		die("there are no random numbers");
	for (size_t i = 0; i < COUNT(groups); i++)
		if (is_wanted(groups[i].name, argc, argv))
			groups[i].run(&t);
	return 0;
}
