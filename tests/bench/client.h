/*
 * A blocking mail client for measuring: one socket, with or without TLS, a
 * thread each. Any failure ends the program with a sentence.
 */
#ifndef TESTS_BENCH_CLIENT_H
#define TESTS_BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls;

struct client {
	int fd;
	struct tls *tls;	/* NULL: plain */
	char *in;		/* bytes read and not given out */
	size_t in_len, in_cap, in_at;
	unsigned tag;
	uint64_t read_bytes;	/* in all */
};

/* Connects to 127.0.0.1; tls: TLS from the first byte. Reads no greeting. */
struct client *client_open(int port, bool tls);
void client_close(struct client *c);

void client_send(struct client *c, const char *p, size_t len);
void client_sendf(struct client *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * The next line without its CRLF, NUL-terminated, valid until the next call.
 * Ends the program when the server hangs up.
 */
char *client_line(struct client *c);
/* Reads n bytes and forgets them. */
void client_skip(struct client *c, size_t n);
/* Whether a line is there without waiting for the network. */
bool client_has_line(struct client *c);

/* Sends an IMAP command and reads to its tagged answer, which must be OK.
 * Returns how many untagged lines came. */
uint64_t imap_run(struct client *c, const char *command);
/* A logged-in IMAP session. */
struct client *imap_open(int port, bool tls, const char *user,
    const char *password);

/* Reads an SMTP reply and checks its first digit. */
void smtp_expect(struct client *c, char digit);
/* A session after EHLO. */
struct client *smtp_open(int port);

/* Reads a POP3 answer: one line, or with many up to the dot. */
void pop3_expect(struct client *c, bool many);
struct client *pop3_open(int port, const char *user, const char *password);

double now_ms(void);
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *fmt, ...);

#endif
