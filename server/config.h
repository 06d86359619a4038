/*
 * The configuration file: what it may say, and what it said.
 *
 * Read with libconfuse; every error carries the file, the line and a reason.
 * Relative paths count from the folder the file lies in. Immutable once read:
 * a reload reads another one.
 */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/addr.h"
#include "server/base/buf.h"
#include "server/base/log.h"
#include "smtp/route.h"

#define CONFIG_TRUST_ANCHOR "/usr/share/dns/root.key"
#define CONFIG_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

enum protocol { PROTO_SMTP, PROTO_SUBMISSION, PROTO_POP3, PROTO_IMAP };
enum tls_mode { TLS_MODE_NONE, TLS_MODE_STARTTLS, TLS_MODE_IMPLICIT };

/* Where something stands in the file, for messages. */
struct config_place {
	unsigned line;		/* 0: a default, or the whole file */
};

struct config_listener {
	char *name;
	char **addresses;	/* numeric */
	size_t address_count;
	uint16_t port;		/* 0: any free one, for tests */
	enum protocol protocol;
	enum tls_mode tls;
	struct config_place place;
};

struct config_certificate {
	char *name;
	char *chain_path, *key_path;	/* absolute */
	struct config_place place;
};

struct config {
	char *path;		/* the file's, absolute */
	char *dir;		/* its folder */
	char *hostname;		/* A-labels, lower case */
	char *data_dir;		/* absolute */
	char *user;		/* to become, when started as root */
	char *postmaster;	/* address, or "" */
	uint64_t memory_limit;	/* bytes */
	uint64_t size_limit;	/* bytes, largest message */
	uint64_t reserve;	/* bytes */
	bool plaintext_loopback;
	bool secure_delete;
	struct config_listener *listeners;
	size_t listener_count;
	struct config_certificate *certificates;
	size_t certificate_count;
	/* limits */
	unsigned connections;
	unsigned connections_pending;
	unsigned connections_minute;
	unsigned connections_account;
	struct addr_net *exempt;
	size_t exempt_count;
	unsigned messages_day;		/* an account may send; 0: no cap */
	unsigned new_recipients_day;
	struct addr_net *relay_from;	/* submit without a log-in */
	size_t relay_from_count;
	unsigned relay_messages_day;	/* of one address; 0: no cap */
	int64_t queue_retry_s, queue_retry_max_s, queue_warn_s, queue_expire_s;
	unsigned queue_connections, queue_connections_host;
	struct route_rule *routes;
	size_t route_count;
	struct route_smarthost *fallback;	/* NULL: none */
	unsigned recipients;		/* submission */
	unsigned recipients_inbound;
	/* What password hashes cost. */
	unsigned argon2_passes;
	uint64_t argon2_memory;
	unsigned scram_iterations;
	/* The world outside. */
	char **dns_forward;	/* "ADDR" or "ADDR@PORT" */
	size_t dns_forward_count;
	char *dns_trust_anchor;	/* absolute; "": nothing is validated */
	char *dns_root_hints;	/* absolute; "": the built-in ones */
	char *tls_ca_path;	/* absolute */
	/* What only tests may say: `serve --testing`. */
	bool has_testing;
	struct config_place testing_place;
	uint16_t port_smtp, port_https;	/* 25 and 443 otherwise */
	bool testing_loopback;		/* our own addresses may be dialled */
	/* log */
	char *log_path;		/* absolute; "": standard error */
	enum log_level log_level;
	unsigned readers;
};

/*
 * Reads path. Returns owned, or NULL with "FILE:LINE: reason" in *why: an
 * unknown key, a value of the wrong kind, a listener without a port, a
 * certificate that cannot be opened.
 */
struct config *config_read(const char *path, struct buf *why);
void config_free(struct config *c);	/* NULL is legal */

/* "FILE:LINE: " for a message about something in the file. */
void config_put_place(const struct config *c, struct config_place place,
    struct buf *out);

/* "50M", "64 KiB", "1000" as bytes. Returns 0 or ERR_SYNTAX. */
/* "90", "90s", "5m", "4h", "5d" in seconds: 0 or ERR_SYNTAX. */
int config_parse_time(const char *s, int64_t *seconds);
int config_parse_size(const char *s, uint64_t *bytes);

/* "90", "90s", "5m", "4h", "5d", in seconds: 0 or ERR_SYNTAX. */
int config_parse_time(const char *s, int64_t *seconds);

/* Names as the file has them. */
const char *config_protocol_name(enum protocol p);
const char *config_tls_name(enum tls_mode t);

/*
 * Reads a whole file of at most max bytes into out. Returns 0, ERR_NOTFOUND,
 * ERR_DENIED, ERR_LIMIT or ERR_IO, with a sentence in *why.
 */
int config_read_file(const char *path, size_t max, struct buf *out,
    struct buf *why);

#endif
