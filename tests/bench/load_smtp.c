/* Mail coming in, and how soon it is seen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/xalloc.h"
#include "tests/bench/measure.h"

#define PER_CONNECTION 100	/* the server's own limit */

static void
send_message(struct client *c, const struct target *t, const char *m,
    size_t len)
{
	client_sendf(c, "MAIL FROM:<s@elsewhere.example>\r\nRCPT TO:<%s>\r\n"
	    "DATA\r\n", t->user);
	smtp_expect(c, '2');
	smtp_expect(c, '2');
	smtp_expect(c, '3');
	client_send(c, m, len);
}

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

		if (i % PER_CONNECTION == 0) {
			if (c)
				client_close(c);
			c = smtp_open(w->t->smtp);
		}
		memcpy(m + len, ".\r\n", 3);
		start = now_ms();
		send_message(c, w->t, m, len + 3);
		smtp_expect(c, '2');
		if (w->times)
			w->times[i] = now_ms() - start;
	}
	if (c)
		client_close(c);
	free(m);
	return NULL;
}

/* conns connections with count messages each. */
static void
measure_rate(const struct target *t, const char *name, unsigned conns,
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
	cpu = (cpu_ms(t) - cpu) / n;
	row(name, n * 1000 / ms, "messages/s", cpu);
	(void)snprintf(label, sizeof label, "%s, median", name);
	row(label, percentile(times, (size_t)n, 0.5), "ms", -1);
	free(times);
	free(w);
}

void
measure_smtp(const struct target *t)
{
	measure_rate(t, "SMTP, 10 connections x 20", 10, 20, 4096);
	measure_rate(t, "SMTP, 10 connections x 500", 10, 500, 4096);
}

void
fill_inbox(const struct target *t)
{
	measure_rate(t, "filling the mailbox, 10 connections", 10,
	    t->messages / 10, 3000);
}

/* From the 250 at one client to the EXISTS at another. */
void
measure_idle(const struct target *t)
{
	struct client *idle = open_mailbox(t, false, "INBOX"), *s = NULL;
	double after[300], from_data[300];
	char m[8192];

	client_sendf(idle, "x IDLE\r\n");
	(void)client_line(idle);
	for (unsigned i = 0; i < COUNT(after); i++) {
		size_t len = make_message(m, sizeof m, i, 4096);
		double data, said, heard;

		if (i % PER_CONNECTION == 0) {
			if (s)
				client_close(s);
			s = smtp_open(t->smtp);
		}
		send_message(s, t, m, len);
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
	    percentile(after, COUNT(after), 0.5), "ms", -1);
	row("250 to EXISTS at an idling client, 95 %",
	    percentile(after, COUNT(after), 0.95), "ms", -1);
	row("end of data to EXISTS, median",
	    percentile(from_data, COUNT(from_data), 0.5), "ms", -1);
	client_close(idle);
	client_close(s);
}
