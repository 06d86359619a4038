#include "tests/bench/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/random.h"
#include "server/base/xalloc.h"
#include "server/net/tls.h"

#define CHUNK 65536

void
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("bench: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

double
now_ms(void)
{
	return (double)clock_system()->mono_us(clock_system()) / 1000;
}

/* ---- bytes ---- */

static void
send_raw(struct client *c, const char *p, size_t len)
{
	while (len) {
		ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("the server does not take any more");
		p += n;
		len -= (size_t)n;
	}
}

static void
flush_cipher(struct client *c)
{
	struct buf *out = tls_cipher_out(c->tls);

	send_raw(c, out->p, out->len);
	buf_clear(out);
}

/* Hands network bytes to TLS. */
static void
feed_cipher(struct client *c)
{
	char chunk[CHUNK];
	ssize_t n = recv(c->fd, chunk, sizeof chunk, 0);

	if (n <= 0)
		die("the server has hung up");
	buf_add(tls_cipher_in(c->tls), chunk, (size_t)n);
}

static void
start_tls(struct client *c)
{
	struct buf why = BUF_INIT;
	struct tls_config *cfg = tls_config_new_client(NULL, SPAN(""),
	    random_system(), &why);
	enum tls_result r;

	if (!cfg)
		die("%s", why.p);
	c->tls = tls_new(cfg, NULL);
	tls_config_unref(cfg);
	while ((r = tls_handshake(c->tls)) == TLS_MORE) {
		flush_cipher(c);
		feed_cipher(c);
	}
	flush_cipher(c);
	if (r == TLS_FAILED)
		die("TLS: %s", tls_error(c->tls));
	buf_release(&why);
}

struct client *
client_open(int port, bool tls)
{
	struct client *c = xcalloc(1, sizeof *c);
	struct sockaddr_in sa = { .sin_family = AF_INET };
	int one = 1;

	sa.sin_port = htons((uint16_t)port);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(c->fd, (struct sockaddr *)&sa, sizeof sa) < 0)
		die("cannot connect to port %d: %s", port, strerror(errno));
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (tls)
		start_tls(c);
	return c;
}

void
client_close(struct client *c)
{
	close(c->fd);
	tls_free(c->tls);
	free(c->in);
	free(c);
}

void
client_send(struct client *c, const char *p, size_t len)
{
	if (!c->tls) {
		send_raw(c, p, len);
		return;
	}
	while (len) {
		int n = tls_write(c->tls, p, len);

		if (n < 0)
			die("TLS: %s", tls_error(c->tls));
		p += n;
		len -= (size_t)n;
	}
	flush_cipher(c);
}

void
client_sendf(struct client *c, const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	client_send(c, text, (size_t)n);
}

/* More plain bytes behind those that are there. */
static void
read_more(struct client *c)
{
	ssize_t n;

	if (c->in_at) {
		memmove(c->in, c->in + c->in_at, c->in_len - c->in_at);
		c->in_len -= c->in_at;
		c->in_at = 0;
	}
	if (c->in_cap < c->in_len + CHUNK) {
		c->in_cap = c->in_cap * 2 + CHUNK;
		c->in = xrealloc(c->in, c->in_cap);
	}
	if (!c->tls) {
		n = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, 0);
	} else {
		while ((n = tls_read(c->tls, c->in + c->in_len,
		    c->in_cap - c->in_len)) == 0)
			feed_cipher(c);
	}
	if (n <= 0)
		die("the server has hung up");
	c->in_len += (size_t)n;
	c->read_bytes += (uint64_t)n;
}

bool
client_has_line(struct client *c)
{
	return c->in_len > c->in_at &&
	    memchr(c->in + c->in_at, '\n', c->in_len - c->in_at);
}

char *
client_line(struct client *c)
{
	char *line, *nl;
	size_t looked = 0;

	for (;;) {
		size_t have = c->in_len - c->in_at;

		nl = have > looked ? memchr(c->in + c->in_at + looked, '\n',
		    have - looked) : NULL;
		if (nl)
			break;
		looked = have;
		read_more(c);
	}
	line = c->in + c->in_at;
	c->in_at = (size_t)(nl + 1 - c->in);
	*nl = '\0';
	if (nl > line && nl[-1] == '\r')
		nl[-1] = '\0';
	return line;
}

void
client_skip(struct client *c, size_t n)
{
	while (n) {
		size_t have = MIN(n, c->in_len - c->in_at);

		c->in_at += have;
		n -= have;
		if (n)
			read_more(c);
	}
}

/* ---- IMAP ---- */

/* The size of the literal that the line ends in, or 0. */
static size_t
literal_at_end(const char *line)
{
	size_t len = strlen(line);
	const char *open;

	if (len < 3 || line[len - 1] != '}')
		return 0;
	open = strrchr(line, '{');
	return open ? (size_t)strtoul(open + 1, NULL, 10) : 0;
}

uint64_t
imap_run(struct client *c, const char *command)
{
	char tag[16];
	uint64_t lines = 0;
	size_t n;

	(void)snprintf(tag, sizeof tag, "t%u ", ++c->tag);
	client_sendf(c, "%s%s\r\n", tag, command);
	for (;;) {
		char *line = client_line(c);

		if (strncmp(line, tag, strlen(tag)) == 0) {
			if (strncmp(line + strlen(tag), "OK", 2) != 0)
				die("%s: %s", command, line);
			return lines;
		}
		lines += line[0] == '*';
		while ((n = literal_at_end(line))) {
			client_skip(c, n);
			line = client_line(c);
		}
	}
}

struct client *
imap_open(int port, bool tls, const char *user, const char *password)
{
	struct client *c = client_open(port, tls);
	char login[512];

	(void)client_line(c);
	(void)snprintf(login, sizeof login, "LOGIN %s %s", user, password);
	imap_run(c, login);
	return c;
}

/* ---- SMTP ---- */

void
smtp_expect(struct client *c, char digit)
{
	char *line;

	do
		line = client_line(c);
	while (line[0] == digit && line[3] == '-');
	if (line[0] != digit)
		die("SMTP: %s", line);
}

struct client *
smtp_open(int port)
{
	struct client *c = client_open(port, false);

	smtp_expect(c, '2');
	client_sendf(c, "EHLO bench.example\r\n");
	smtp_expect(c, '2');
	return c;
}

/* ---- POP3 ---- */

void
pop3_expect(struct client *c, bool many)
{
	char *line = client_line(c);

	if (line[0] != '+')
		die("POP3: %s", line);
	while (many && strcmp(line, ".") != 0)
		line = client_line(c);
}

struct client *
pop3_open(int port, const char *user, const char *password)
{
	struct client *c = client_open(port, false);

	pop3_expect(c, false);
	client_sendf(c, "USER %s\r\n", user);
	pop3_expect(c, false);
	client_sendf(c, "PASS %s\r\n", password);
	pop3_expect(c, false);
	return c;
}
