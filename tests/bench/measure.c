#include "tests/bench/measure.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/xalloc.h"

void
row(const char *name, double value, const char *unit, double cpu)
{
	printf("%-44s %12.3f %-13s", name, value, unit);
	if (cpu >= 0)
		printf(" %12.3f ms CPU", cpu);
	putchar('\n');
	fflush(stdout);
}

/* ---- the server's process ---- */

/* Nanoseconds on a CPU of one thread (the first number of schedstat). */
static unsigned long long
thread_ns(const struct target *t, const char *thread)
{
	unsigned long long ns = 0;
	char path[320];
	FILE *f;

	(void)snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat",
	    t->pid, thread);
	f = fopen(path, "r");
	if (f && fscanf(f, "%llu", &ns) != 1)
		ns = 0;
	if (f)
		fclose(f);
	return ns;
}

double
cpu_ms(const struct target *t)
{
	unsigned long long ns = 0;
	struct dirent *e;
	char path[64];
	DIR *d;

	(void)snprintf(path, sizeof path, "/proc/%d/task", t->pid);
	d = opendir(path);
	if (!d)
		die("process %d is gone", t->pid);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			ns += thread_ns(t, e->d_name);
	closedir(d);
	return (double)ns / 1e6;
}

double
memory_kib(const struct target *t)
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

/* ---- clients ---- */

double
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

double
percentile(double *v, size_t n, double p)
{
	qsort(v, n, sizeof *v, by_value);
	return n ? v[(size_t)((double)(n - 1) * p)] : 0;
}

struct client *
open_mailbox(const struct target *t, bool tls, const char *mailbox)
{
	struct client *c = imap_open(tls ? t->imaps : t->imap, tls, t->user,
	    t->password);
	char command[128];

	if (mailbox) {
		(void)snprintf(command, sizeof command, "SELECT %s", mailbox);
		imap_run(c, command);
	}
	return c;
}

void
measure_command(const struct target *t, struct client *c, const char *name,
    const char *command, unsigned reps)
{
	double *times = xcalloc(reps, sizeof *times);
	double cpu = cpu_ms(t);

	for (unsigned i = 0; i < reps; i++) {
		double start = now_ms();

		imap_run(c, command);
		times[i] = now_ms() - start;
	}
	cpu = (cpu_ms(t) - cpu) / reps;
	row(name, percentile(times, reps, 0.5), "ms", cpu);
	free(times);
}

/* ---- messages ---- */

static const char words[] = "the quick mail server gives every letter back "
    "as it came and says so only when it is safely on the disk ";

size_t
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

	while (len + 72 < size && len + 200 < cap) {
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

void
append(struct client *c, const char *mailbox, const char *m, size_t len)
{
	char *line;

	client_sendf(c, "a APPEND %s {%zu+}\r\n", mailbox, len);
	client_send(c, m, len);
	client_send(c, "\r\n", 2);
	while ((line = client_line(c))[0] == '*')
		continue;
	if (strncmp(line, "a OK", 4) != 0)
		die("APPEND: %s", line);
}
