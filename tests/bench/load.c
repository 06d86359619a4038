/*
 * Measures a running server over loopback and prints "row value unit" lines.
 *
 * usage: load SMTP POP3 IMAP IMAPS USER PASSWORD PID [MESSAGES]
 *
 * Ports, an account, the server's process, and how many messages to fill the
 * large mailbox with (100000). Bounded in count and time; one run takes a few
 * minutes. tests/bench/run starts the server and calls this.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/random.h"
#include "server/base/xalloc.h"
#include "tests/bench/client.h"

struct target {
	int smtp, pop3, imap, imaps;
	const char *user, *password;
	int pid;
	unsigned messages;
};

static void
row(const char *name, double value, const char *unit)
{
	printf("%-44s %12.3f %s\n", name, value, unit);
	fflush(stdout);
}

/* ---- the server's process ---- */

/* CPU milliseconds it has used, user and system. */
static double
cpu_ms(const struct target *t)
{
	char path[64], line[1024], *p;
	unsigned long user = 0, sys = 0;
	FILE *f;

	(void)snprintf(path, sizeof path, "/proc/%d/stat", t->pid);
	f = fopen(path, "r");
	if (!f || !fgets(line, sizeof line, f))
		die("process %d is gone", t->pid);
	fclose(f);
	p = strrchr(line, ')');
	for (int field = 2; field < 14 && p; field++)
		p = strchr(p + 1, ' ');
	if (p)
		(void)sscanf(p, "%lu %lu", &user, &sys);
	return (double)(user + sys) * 1000 / (double)sysconf(_SC_CLK_TCK);
}

/* Private memory in KiB (anonymous pages). */
static double
rss_kib(const struct target *t)
{
	char path[64], line[256];
	long kib = 0;
	FILE *f;

	(void)snprintf(path, sizeof path, "/proc/%d/status", t->pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, "RssAnon:", 8) == 0)
			kib = strtol(line + 8, NULL, 10);
	if (f)
		fclose(f);
	return (double)kib;
}

/* ---- several clients at once ---- */

struct worker {
	const struct target *t;
	unsigned index, count;
	size_t size;
	double *times;		/* for percentiles; may be NULL */
	const char *mailbox;
	atomic_bool *stop;
	unsigned long done;
};

static double
run_workers(struct worker *w, unsigned n, void *(*body)(void *))
{
	pthread_t *threads = xcalloc(n, sizeof *threads);
	double start = now_ms();

	for (unsigned i = 0; i < n; i++) {
		w[i].index = i;
		if (pthread_create(&threads[i], NULL, body, &w[i]))
			die("no more threads");
	}
	for (unsigned i = 0; i < n; i++)
		(void)pthread_join(threads[i], NULL);
	free(threads);
	return now_ms() - start;
}

static int
by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double
percentile(double *v, size_t n, double p)
{
	qsort(v, n, sizeof *v, by_value);
	return n ? v[(size_t)((double)(n - 1) * p)] : 0;
}

/* ---- messages ---- */

static const char words[] = "the quick mail server gives every letter back "
    "as it came and says so only when it is safely on the disk ";

/* A message of about size bytes; some have the word that is searched for. */
static size_t
make_message(char *out, size_t cap, unsigned n, size_t size)
{
	size_t len = (size_t)snprintf(out, cap,
	    "From: Sender %u <s%u@elsewhere.example>\r\n"
	    "To: <bench@example.test>\r\nSubject: Letter number %u%s\r\n"
	    "Date: Mon, 2 Nov 2026 10:%02u:%02u +0000\r\n"
	    "Message-ID: <%u.bench@elsewhere.example>\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n\r\n",
	    n, n % 500, n, n % 1000 == 7 ? " needle" : "", n / 60 % 60,
	    n % 60, n);
	size_t at = n % 40;

	while (len + sizeof words + 32 < size && len + 200 < cap) {
		size_t take = MIN(sizeof words - 1 - at, 70);

		memcpy(out + len, words + at, take);
		len += take;
		memcpy(out + len, "\r\n", 2);
		len += 2;
		at = (at + take) % (sizeof words - 80);
	}
	if (n % 1000 == 9)
		len += (size_t)snprintf(out + len, cap - len,
		    "a haystack hides this\r\n");
	return len;
}

/* ---- SMTP ---- */

static void *
smtp_body(void *arg)
{
	struct worker *w = arg;
	struct client *c = NULL;
	char *m = xmalloc(w->size + 4096);

	for (unsigned i = 0; i < w->count; i++) {
		size_t len = make_message(m, w->size + 4096,
		    w->index * w->count + i, w->size);
		double start;

		if (i % 100 == 0) {
			if (c)
				client_close(c);
			c = smtp_open(w->t->smtp);
		}
		start = now_ms();
		client_sendf(c, "MAIL FROM:<s@elsewhere.example>\r\n"
		    "RCPT TO:<%s>\r\nDATA\r\n", w->t->user);
		smtp_expect(c, '2');
		smtp_expect(c, '2');
		smtp_expect(c, '3');
		client_send(c, m, len);
		client_send(c, ".\r\n", 3);
		smtp_expect(c, '2');
		if (w->times)
			w->times[i] = now_ms() - start;
	}
	if (c)
		client_close(c);
	free(m);
	return NULL;
}

/* conns connections with count messages each; prints rate and CPU. */
static void
measure_smtp(const struct target *t, const char *name, unsigned conns,
    unsigned count, size_t size)
{
	struct worker *w = xcalloc(conns, sizeof *w);
	double *times = xcalloc((size_t)conns * count, sizeof *times);
	double cpu = cpu_ms(t), ms, n = conns * count;
	char label[128];

	for (unsigned i = 0; i < conns; i++)
		w[i] = (struct worker){ .t = t, .count = count, .size = size,
		    .times = times + (size_t)i * count };
	ms = run_workers(w, conns, smtp_body);
	(void)snprintf(label, sizeof label, "%s, rate", name);
	row(label, n * 1000 / ms, "messages/s");
	(void)snprintf(label, sizeof label, "%s, CPU each", name);
	row(label, (cpu_ms(t) - cpu) / n, "ms");
	(void)snprintf(label, sizeof label, "%s, median", name);
	row(label, percentile(times, (size_t)n, 0.5), "ms");
	free(times);
	free(w);
}

/* From the 250 at one client to the EXISTS at another. */
static void
measure_idle(const struct target *t)
{
	struct client *idle = imap_open(t->imap, false, t->user, t->password);
	struct client *s = smtp_open(t->smtp);
	double after[200], from_data[200];
	char m[8192];

	imap_run(idle, "SELECT INBOX");
	client_sendf(idle, "x IDLE\r\n");
	(void)client_line(idle);
	for (unsigned i = 0; i < COUNT(after); i++) {
		size_t len = make_message(m, sizeof m, i, 4096);
		double data, said, heard;

		if (i % 50 == 49) {
			client_close(s);
			s = smtp_open(t->smtp);
		}
		client_sendf(s, "MAIL FROM:<s@elsewhere.example>\r\n"
		    "RCPT TO:<%s>\r\nDATA\r\n", t->user);
		smtp_expect(s, '2');
		smtp_expect(s, '2');
		smtp_expect(s, '3');
		client_send(s, m, len);
		data = now_ms();
		client_send(s, ".\r\n", 3);
		smtp_expect(s, '2');
		said = now_ms();
		while (!strstr(client_line(idle), "EXISTS"))
			continue;
		heard = now_ms();
		while (client_has_line(idle))
			(void)client_line(idle);
		after[i] = heard - said;
		from_data[i] = heard - data;
		usleep(2000);
	}
	row("250 to EXISTS at an idling client, median",
	    percentile(after, COUNT(after), 0.5), "ms");
	row("end of data to EXISTS, median",
	    percentile(from_data, COUNT(from_data), 0.5), "ms");
	client_close(idle);
	client_close(s);
}

/* ---- IMAP ---- */

static void
measure_command(struct client *c, const char *name, const char *command,
    unsigned reps)
{
	double *times = xcalloc(reps, sizeof *times);

	for (unsigned i = 0; i < reps; i++) {
		double start = now_ms();

		imap_run(c, command);
		times[i] = now_ms() - start;
	}
	row(name, percentile(times, reps, 0.5), "ms");
	free(times);
}

static void *
login_body(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < w->count; i++) {
		bool tls = w->size;
		struct client *c = imap_open(tls ? w->t->imaps : w->t->imap,
		    tls, w->t->user, w->t->password);

		imap_run(c, "LOGOUT");
		client_close(c);
	}
	return NULL;
}

static void
measure_logins(const struct target *t)
{
	struct worker w[4];
	double ms;

	for (int tls = 0; tls < 2; tls++) {
		unsigned count = tls ? 100 : 500;

		for (unsigned i = 0; i < COUNT(w); i++)
			w[i] = (struct worker){ .t = t, .count = count,
			    .size = (size_t)tls };
		ms = run_workers(w, COUNT(w), login_body);
		row(tls ? "log-ins, 4 clients, TLS" :
		    "log-ins, 4 clients, plain",
		    (double)count * COUNT(w) * 1000 / ms, "/s");
	}
}

static void *
append_body(void *arg)
{
	struct worker *w = arg;
	struct client *c = imap_open(w->t->imap, false, w->t->user,
	    w->t->password);
	char m[8192];

	for (unsigned i = 0; i < w->count; i++) {
		size_t len = make_message(m, sizeof m, i, 4096);

		client_sendf(c, "a APPEND Archive {%zu+}\r\n", len);
		client_send(c, m, len);
		client_send(c, "\r\n", 2);
		if (strncmp(client_line(c), "a OK", 4) != 0)
			die("APPEND failed");
	}
	client_close(c);
	return NULL;
}

static void
measure_appends(const struct target *t)
{
	struct worker w[4];

	for (unsigned n = 1; n <= 4; n += 3) {
		char name[64];
		double ms;

		for (unsigned i = 0; i < n; i++)
			w[i] = (struct worker){ .t = t, .count = 1000 };
		ms = run_workers(w, n, append_body);
		(void)snprintf(name, sizeof name, "APPEND, %u connection%s", n,
		    n > 1 ? "s" : "");
		row(name, 1000.0 * n * 1000 / ms, "/s");
	}
}

static void
measure_select(const struct target *t)
{
	struct client *first = imap_open(t->imap, false, t->user, t->password);
	double times[50];

	measure_command(first, "SELECT, the first", "SELECT INBOX", 1);
	for (unsigned i = 0; i < COUNT(times); i++) {
		struct client *c = imap_open(t->imap, false, t->user,
		    t->password);
		double start = now_ms();

		imap_run(c, "SELECT INBOX");
		times[i] = now_ms() - start;
		client_close(c);
	}
	row("SELECT, new connection, open before",
	    percentile(times, COUNT(times), 0.5), "ms");
	client_close(first);
}

static void
measure_reading(const struct target *t)
{
	struct client *c = imap_open(t->imap, false, t->user, t->password);

	imap_run(c, "SELECT INBOX");
	measure_command(c, "FETCH 1:* FLAGS", "FETCH 1:* FLAGS", 5);
	measure_command(c, "FETCH ENVELOPE BODYSTRUCTURE, first",
	    "FETCH 1:* (ENVELOPE BODYSTRUCTURE)", 1);
	measure_command(c, "FETCH ENVELOPE BODYSTRUCTURE",
	    "FETCH 1:* (ENVELOPE BODYSTRUCTURE)", 5);
	measure_command(c, "FETCH four header fields",
	    "FETCH 1:* BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)]", 5);
	measure_command(c, "FETCH 1000 bodies of 4 KiB",
	    "FETCH 1:1000 BODY.PEEK[]", 5);
	measure_command(c, "SEARCH UNSEEN", "SEARCH UNSEEN", 5);
	measure_command(c, "SEARCH SUBJECT", "SEARCH SUBJECT needle", 5);
	measure_command(c, "SEARCH TEXT", "SEARCH TEXT haystack", 5);
	measure_command(c, "STORE 1:* +FLAGS.SILENT, on and off",
	    "STORE 1:* +FLAGS.SILENT (\\Flagged)", 1);
	measure_command(c, "STORE 1:* -FLAGS.SILENT",
	    "STORE 1:* -FLAGS.SILENT (\\Flagged)", 1);
	measure_command(c, "STORE 1:* +FLAGS, with answers",
	    "STORE 1:* +FLAGS (\\Flagged)", 1);
	client_close(c);
}

static void
measure_moving(const struct target *t)
{
	struct client *c = imap_open(t->imap, false, t->user, t->password);

	imap_run(c, "SELECT INBOX");
	measure_command(c, "COPY of 10,000", "COPY 1:10000 Junk", 1);
	measure_command(c, "MOVE of 10,000", "MOVE 1:10000 Trash", 1);
	imap_run(c, "SELECT Junk");
	imap_run(c, "STORE 1:* +FLAGS.SILENT (\\Deleted)");
	measure_command(c, "EXPUNGE of 10,000", "EXPUNGE", 1);
	client_close(c);
}

static void
append_large(const struct target *t, size_t size)
{
	struct client *c = imap_open(t->imap, false, t->user, t->password);
	char *m = xmalloc(size);

	for (size_t i = 0; i < size; i++)
		m[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' :
		    (char)('a' + i % 26);
	memcpy(m, "Subject: large\r\n\r\n", 18);
	client_sendf(c, "a APPEND Drafts {%zu+}\r\n", size);
	client_send(c, m, size);
	client_send(c, "\r\n", 2);
	if (strncmp(client_line(c), "a OK", 4) != 0)
		die("APPEND of a large message failed");
	free(m);
	client_close(c);
}

static void
measure_large(const struct target *t)
{
	size_t size = 25u << 20;
	char near_end[64];

	append_large(t, size);
	(void)snprintf(near_end, sizeof near_end,
	    "FETCH 1 BODY.PEEK[]<%zu.4096>", size - 8192);
	for (int tls = 0; tls < 2; tls++) {
		struct client *c = imap_open(tls ? t->imaps : t->imap, tls,
		    t->user, t->password);

		imap_run(c, "SELECT Drafts");
		measure_command(c, tls ? "body of 25 MiB, TLS" :
		    "body of 25 MiB, plain", "FETCH 1 BODY.PEEK[]", 5);
		if (!tls)
			measure_command(c, "4 KiB near its end", near_end, 20);
		client_close(c);
	}
}

/* ---- a mixed load ---- */

static void *
mixed_body(void *arg)
{
	struct worker *w = arg;
	struct client *c = imap_open(w->t->imap, false, w->t->user,
	    w->t->password);
	struct seeded_random r;
	char command[128], m[4096];

	seeded_random_init(&r, w->index + 1);
	imap_run(c, "SELECT INBOX");
	while (!atomic_load(w->stop)) {
		uint32_t n[2];
		unsigned uid;

		random_fill(&r.random, n, sizeof n);
		uid = 20000 + n[1] % 50000;
		switch (n[0] % 8) {
		case 0:
			(void)snprintf(command, sizeof command,
			    "UID STORE %u +FLAGS.SILENT (\\Seen)", uid);
			break;
		case 1:
			(void)snprintf(command, sizeof command,
			    "UID FETCH %u:%u (FLAGS ENVELOPE)", uid, uid + 20);
			break;
		case 2: {
			size_t len = make_message(m, sizeof m, uid, 2048);

			client_sendf(c, "a APPEND Sent {%zu+}\r\n", len);
			client_send(c, m, len);
			client_send(c, "\r\n", 2);
			while (client_line(c)[0] == '*')
				continue;
			w->done++;
			continue;
		}
		case 3:
			(void)snprintf(command, sizeof command, "NOOP");
			break;
		default:
			(void)snprintf(command, sizeof command,
			    "UID FETCH %u BODY.PEEK[]", uid);
		}
		imap_run(c, command);
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
measure_mixed(const struct target *t, unsigned clients)
{
	struct worker *w = xcalloc(clients + 1, sizeof *w);
	atomic_bool stop = false;
	pthread_t timer;
	unsigned long done = 0;
	char name[64];
	double ms;

	for (unsigned i = 0; i <= clients; i++)
		w[i] = (struct worker){ .t = t, .stop = &stop };
	if (pthread_create(&timer, NULL, stop_after, &w[clients]))
		die("no more threads");
	ms = run_workers(w, clients, mixed_body);
	(void)pthread_join(timer, NULL);
	for (unsigned i = 0; i < clients; i++)
		done += w[i].done;
	(void)snprintf(name, sizeof name, "mixed load, %u clients", clients);
	row(name, (double)done * 1000 / ms, "operations/s");
	free(w);
}

/* ---- POP3 ---- */

static void
measure_pop3(const struct target *t)
{
	struct client *c = pop3_open(t->pop3, t->user, t->password);
	double start = now_ms();

	for (unsigned i = 1; i <= 10000; i++) {
		client_sendf(c, "RETR %u\r\n", i);
		pop3_expect(c, true);
	}
	row("POP3 RETR of 10,000, one by one", now_ms() - start, "ms");
	client_close(c);
	c = pop3_open(t->pop3, t->user, t->password);
	start = now_ms();
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
	row("POP3 RETR of 10,000, pipelined by 100", now_ms() - start, "ms");
	client_close(c);
}

/* ---- memory ---- */

static void
measure_memory(const struct target *t, bool tls, const char *mailbox,
    const char *name)
{
	struct client *v[100];
	double before;
	char select[64];

	(void)snprintf(select, sizeof select, "SELECT %s", mailbox);
	v[0] = imap_open(tls ? t->imaps : t->imap, tls, t->user, t->password);
	imap_run(v[0], select);
	sleep(1);
	before = rss_kib(t);
	for (unsigned i = 1; i < 40; i++) {
		v[i] = imap_open(tls ? t->imaps : t->imap, tls, t->user,
		    t->password);
		imap_run(v[i], select);
	}
	sleep(1);
	row(name, (rss_kib(t) - before) / 39, "KiB");
	for (unsigned i = 0; i < 40; i++)
		client_close(v[i]);
}

/* ---- the whole ---- */

static void
fill(const struct target *t)
{
	struct worker w[10];
	unsigned each = t->messages / COUNT(w);
	double ms;

	for (unsigned i = 0; i < COUNT(w); i++)
		w[i] = (struct worker){ .t = t, .count = each, .size = 3000 };
	ms = run_workers(w, COUNT(w), smtp_body);
	row("filling the mailbox, 10 connections",
	    (double)each * COUNT(w) * 1000 / ms, "messages/s");
}

int
main(int argc, char **argv)
{
	struct target t;

	if (argc < 8) {
		fprintf(stderr, "usage: load SMTP POP3 IMAP IMAPS USER "
		    "PASSWORD PID [MESSAGES]\n");
		return 2;
	}
	t = (struct target){
		.smtp = (int)strtol(argv[1], NULL, 10),
		.pop3 = (int)strtol(argv[2], NULL, 10),
		.imap = (int)strtol(argv[3], NULL, 10),
		.imaps = (int)strtol(argv[4], NULL, 10),
		.user = argv[5], .password = argv[6],
		.pid = (int)strtol(argv[7], NULL, 10),
		.messages = argc > 8 ?
		    (unsigned)strtoul(argv[8], NULL, 10) : 100000,
	};
	if (base_random_start() < 0)
		die("there are no random numbers");
	row("memory before any connection", rss_kib(&t), "KiB");
	measure_memory(&t, false, "INBOX", "idle connection, plain");
	measure_memory(&t, true, "INBOX", "idle connection, TLS");
	measure_smtp(&t, "SMTP, 10 connections x 20", 10, 20, 4096);
	measure_smtp(&t, "SMTP, 10 connections x 500", 10, 500, 4096);
	measure_idle(&t);
	measure_logins(&t);
	measure_appends(&t);
	fill(&t);
	measure_select(&t);
	measure_memory(&t, false, "INBOX", "idle connection, large, plain");
	measure_memory(&t, true, "INBOX", "idle connection, large, TLS");
	measure_reading(&t);
	measure_large(&t);
	measure_pop3(&t);
	measure_mixed(&t, 4);
	measure_mixed(&t, 20);
	measure_moving(&t);
	return 0;
}
