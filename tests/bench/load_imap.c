/* IMAP, one client at a time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/xalloc.h"
#include "tests/bench/measure.h"

#define COLD_BOXES 5

static void
try_run(struct client *c, const char *command)
{
	client_sendf(c, "x %s\r\n", command);
	while (strncmp(client_line(c), "x ", 2) != 0)
		continue;
}

/*
 * The array of a mailbox is made when it is first opened and kept: copies of
 * the large one are opened for the first time, one after the other.
 */
static void
measure_select_cold(const struct target *t)
{
	struct client *c = open_mailbox(t, false, "INBOX");
	double times[COLD_BOXES], cpu = 0;
	char command[64];

	for (unsigned i = 0; i < COLD_BOXES; i++) {
		double start, cpu_start;

		(void)snprintf(command, sizeof command, "CREATE cold%u", i);
		imap_run(c, command);
		(void)snprintf(command, sizeof command, "COPY 1:* cold%u", i);
		imap_run(c, command);
		(void)snprintf(command, sizeof command, "SELECT cold%u", i);
		cpu_start = cpu_ms(t);
		start = now_ms();
		imap_run(c, command);
		times[i] = now_ms() - start;
		cpu += cpu_ms(t) - cpu_start;
		imap_run(c, "SELECT INBOX");
	}
	for (unsigned i = 0; i < COLD_BOXES; i++) {
		(void)snprintf(command, sizeof command, "DELETE cold%u", i);
		imap_run(c, command);
	}
	row("SELECT, not open before", percentile(times, COLD_BOXES, 0.5),
	    "ms", cpu / COLD_BOXES);
	client_close(c);
}

void
measure_select(const struct target *t)
{
	struct client *first = open_mailbox(t, false, NULL);
	double times[50], cpu;

	measure_command(t, first, "SELECT, the first", "SELECT INBOX", 1);
	cpu = cpu_ms(t);
	for (unsigned i = 0; i < COUNT(times); i++) {
		struct client *c = open_mailbox(t, false, NULL);
		double start = now_ms();

		imap_run(c, "SELECT INBOX");
		times[i] = now_ms() - start;
		client_close(c);
	}
	row("SELECT, new connection, open before",
	    percentile(times, COUNT(times), 0.5), "ms",
	    (cpu_ms(t) - cpu) / COUNT(times));
	client_close(first);
	measure_select_cold(t);
}

void
measure_reading(const struct target *t)
{
	struct client *c = open_mailbox(t, false, "INBOX");

	measure_command(t, c, "FETCH ENVELOPE BODYSTRUCTURE, first",
	    "FETCH 1:* (ENVELOPE BODYSTRUCTURE)", 1);
	measure_command(t, c, "FETCH ENVELOPE BODYSTRUCTURE",
	    "FETCH 1:* (ENVELOPE BODYSTRUCTURE)", 5);
	measure_command(t, c, "FETCH four header fields",
	    "FETCH 1:* BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)]", 5);
	measure_command(t, c, "FETCH 1:* FLAGS", "FETCH 1:* FLAGS", 9);
	measure_command(t, c, "FETCH 1000 bodies of 4 KiB",
	    "FETCH 1:1000 BODY.PEEK[]", 15);
	client_close(c);
}

void
measure_search(const struct target *t)
{
	struct client *c = open_mailbox(t, false, "INBOX");

	measure_command(t, c, "SEARCH UNSEEN", "SEARCH UNSEEN", 9);
	measure_command(t, c, "SEARCH SUBJECT", "SEARCH SUBJECT needle", 5);
	measure_command(t, c, "SEARCH TEXT", "SEARCH TEXT haystack", 3);
	measure_command(t, c, "SORT", "SORT (SUBJECT REVERSE DATE) UTF-8 ALL",
	    3);
	measure_command(t, c, "THREAD", "THREAD REFERENCES UTF-8 ALL", 3);
	client_close(c);
}

void
measure_store(const struct target *t)
{
	static const struct {
		const char *name, *command;
	} rows[] = {
		{ "STORE 1:* +FLAGS, with answers",
		    "STORE 1:* +FLAGS (\\Flagged)" },
		{ "STORE 1:* -FLAGS, with answers",
		    "STORE 1:* -FLAGS (\\Flagged)" },
		{ "STORE 1:* +FLAGS.SILENT",
		    "STORE 1:* +FLAGS.SILENT (\\Flagged)" },
		{ "STORE 1:* -FLAGS.SILENT",
		    "STORE 1:* -FLAGS.SILENT (\\Flagged)" },
	};
	struct client *c = open_mailbox(t, false, "INBOX");
	double times[COUNT(rows)][5], cpu[COUNT(rows)] = { 0 };

	for (unsigned i = 0; i < 5; i++)
		for (size_t k = 0; k < COUNT(rows); k++) {
			double cpu_start = cpu_ms(t), start = now_ms();

			imap_run(c, rows[k].command);
			times[k][i] = now_ms() - start;
			cpu[k] += cpu_ms(t) - cpu_start;
		}
	for (size_t k = 0; k < COUNT(rows); k++)
		row(rows[k].name, percentile(times[k], 5, 0.5), "ms",
		    cpu[k] / 5);
	client_close(c);
}

/* Mailboxes are made anew: what moves leaves its old one empty. */
static void
move_once(const struct target *t, double *times, double *cpu)
{
	static const char *const commands[][2] = {
		{ "SELECT INBOX", "COPY 1:10000 moving" },
		{ "SELECT moving", "MOVE 1:10000 moved" },
		{ "SELECT moved", "STORE 1:10000 +FLAGS.SILENT (\\Deleted)" },
		{ "NOOP", "EXPUNGE" },
	};
	struct client *c = open_mailbox(t, false, NULL);

	imap_run(c, "CREATE moving");
	imap_run(c, "CREATE moved");
	for (size_t i = 0; i < COUNT(commands); i++) {
		double cpu_start, start;

		imap_run(c, commands[i][0]);
		cpu_start = cpu_ms(t);
		start = now_ms();
		imap_run(c, commands[i][1]);
		times[i] = now_ms() - start;
		cpu[i] += cpu_ms(t) - cpu_start;
	}
	imap_run(c, "SELECT INBOX");
	try_run(c, "DELETE moving");
	try_run(c, "DELETE moved");
	client_close(c);
}

void
measure_moving(const struct target *t)
{
	static const char *const names[] = {
		"COPY of 10,000", "MOVE of 10,000",
		"STORE \\Deleted on 10,000", "EXPUNGE of 10,000",
	};
	double times[5][4], cpu[4] = { 0 }, one[5];

	for (unsigned i = 0; i < 5; i++)
		move_once(t, times[i], cpu);
	for (unsigned k = 0; k < 4; k++) {
		for (unsigned i = 0; i < 5; i++)
			one[i] = times[i][k];
		row(names[k], percentile(one, 5, 0.5), "ms", cpu[k] / 5);
	}
}

static void
append_large(const struct target *t, size_t size)
{
	struct client *c = open_mailbox(t, false, NULL);
	char *m = xmalloc(size);
	double start, cpu;

	for (size_t i = 0; i < size; i++)
		m[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' :
		    (char)('a' + i % 26);
	memcpy(m, "Subject: large\r\n\r\n", 18);
	cpu = cpu_ms(t);
	start = now_ms();
	append(c, "Drafts", m, size);
	row("APPEND of 25 MiB", now_ms() - start, "ms", cpu_ms(t) - cpu);
	free(m);
	client_close(c);
}

void
measure_large(const struct target *t)
{
	size_t size = 25u << 20;
	char near_end[64];

	append_large(t, size);
	(void)snprintf(near_end, sizeof near_end,
	    "FETCH 1 BODY.PEEK[]<%zu.4096>", size - 8192);
	for (int tls = 0; tls < 2; tls++) {
		struct client *c = open_mailbox(t, tls, "Drafts");

		measure_command(t, c, tls ? "body of 25 MiB, TLS" :
		    "body of 25 MiB, plain", "FETCH 1 BODY.PEEK[]", 9);
		if (!tls)
			measure_command(t, c, "4 KiB near its end", near_end,
			    30);
		client_close(c);
	}
}
