#include "server/config.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/err.h"
#include "server/base/idna.h"
#include "server/base/xalloc.h"
#include "server/config_route.h"
#include "smtp/queue.h"

#define CONFIG_FILE_MAX (1024u * 1024)

/* ---- names of values ---- */

static const char *const protocol_names[] = {
	"smtp", "submission", "pop3", "imap"
};
static const char *const tls_names[] = { "none", "starttls", "implicit" };
static const char *const level_names[] = { "debug", "info", "warn", "error" };

const char *
config_protocol_name(enum protocol p)
{
	return protocol_names[p];
}

const char *
config_tls_name(enum tls_mode t)
{
	return tls_names[t];
}

static int
find_name(const char *const *names, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], s) == 0)
			return (int)i;
	return -1;
}

int
config_parse_time(const char *s, int64_t *seconds)
{
	static const struct {
		char unit;
		int64_t s;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	char *end;
	long n;

	if (*s < '0' || *s > '9')
		return ERR_SYNTAX;
	errno = 0;
	n = strtol(s, &end, 10);
	if (errno || n > INT32_MAX)
		return ERR_SYNTAX;
	*seconds = n;
	if (*end == '\0')
		return 0;
	for (size_t i = 0; i < COUNT(units); i++)
		if (*end == units[i].unit && end[1] == '\0') {
			*seconds = n * units[i].s;
			return 0;
		}
	return ERR_SYNTAX;
}

int
config_parse_size(const char *s, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	char *end;
	unsigned long long n;
	const char *unit;

	if (*s < '0' || *s > '9')
		return ERR_SYNTAX;
	errno = 0;
	n = strtoull(s, &end, 10);
	if (errno)
		return ERR_SYNTAX;
	while (*end == ' ')
		end++;
	if (*end && (unit = strchr(units, *end & ~0x20))) {
		unsigned shift = 10 * (unsigned)(unit - units + 1);

		if (n > UINT64_MAX >> shift)
			return ERR_SYNTAX;
		n <<= shift;
		end++;
		if (*end == 'i')
			end++;
		if (*end == 'B')
			end++;
	}
	if (*end)
		return ERR_SYNTAX;
	*bytes = n;
	return 0;
}

int
config_read_file(const char *path, size_t max, struct buf *out,
    struct buf *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0) {
		err = errno == ENOENT ? ERR_NOTFOUND :
		    errno == EACCES ? ERR_DENIED : ERR_IO;
		buf_printf(why, "cannot open %s: %s", path, strerror(errno));
		return err;
	}
	for (;;) {
		char chunk[8192];
		ssize_t n = read(fd, chunk, sizeof chunk);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			buf_printf(why, "cannot read %s: %s", path,
			    strerror(errno));
			err = ERR_IO;
		}
		if (n <= 0)
			break;
		if (out->len + (size_t)n > max) {
			buf_printf(why, "%s is larger than %zu bytes", path,
			    max);
			err = ERR_LIMIT;
			break;
		}
		buf_add(out, chunk, (size_t)n);
	}
	close(fd);
	return err;
}

/* Up to its end; both quotes end with themselves, a backslash shields. */
static char *
skip_quoted(char *p)
{
	char quote = *p++;

	while (*p && *p != quote)
		p += *p == '\\' && p[1] ? 2 : 1;
	return *p ? p + 1 : p;
}

/*
 * libconfuse counts the line of a comment three times, so that its messages
 * would name lines that are not there: comments are made spaces before. "#"
 * begins one anywhere outside quotes, the others where a word could.
 */
static void
blank_comments(char *text)
{
	bool in_word = false;

	for (char *p = text; *p;) {
		bool is_block = p[0] == '/' && p[1] == '*';

		if (*p == '"' || *p == '\'') {
			p = skip_quoted(p);
			in_word = false;
		} else if (!in_word && is_block) {
			char *end = strstr(p + 2, "*/");

			if (!end)
				return;	/* to the end of the file */
			for (end += 2; p < end; p++)
				*p = *p == '\n' ? '\n' : ' ';
		} else if (*p == '#' || (!in_word && p[0] == '/' &&
		    p[1] == '/')) {
			memset(p, ' ', strcspn(p, "\n"));
		} else {
			in_word = !strchr(" \t\r\n={}()+,", *p++);
		}
	}
}

/* ---- what the file may say ---- */

static cfg_opt_t listener_opts[] = {
	CFG_STR_LIST("address", "{\"::\", \"0.0.0.0\"}", CFGF_NONE),
	CFG_INT("port", -1, CFGF_NONE),
	CFG_STR("protocol", NULL, CFGF_NONE),
	CFG_STR("tls", "starttls", CFGF_NONE),
	CFG_END()
};

static cfg_opt_t certificate_opts[] = {
	CFG_STR("chain", NULL, CFGF_NONE),
	CFG_STR("key", NULL, CFGF_NONE),
	CFG_END()
};

static cfg_opt_t limits_opts[] = {
	CFG_INT("connections", 1024, CFGF_NONE),
	CFG_INT("connections_per_address", 20, CFGF_NONE),
	CFG_INT("new_connections_per_minute", 60, CFGF_NONE),
	CFG_INT("connections_per_account", 50, CFGF_NONE),
	CFG_STR_LIST("exempt", "{\"127.0.0.0/8\", \"::1\"}", CFGF_NONE),
	CFG_INT("messages_per_day", 100000, CFGF_NONE),
	CFG_STR_LIST("relay_from", "{}", CFGF_NONE),
	CFG_INT("relay_messages_per_day", 500, CFGF_NONE),
	CFG_INT("new_recipients_per_day", 5000, CFGF_NONE),
	CFG_INT("recipients", 1000, CFGF_NONE),
	CFG_INT("recipients_inbound", 200, CFGF_NONE),
	CFG_END()
};

static cfg_opt_t queue_opts[] = {
	CFG_STR("retry", "5m", CFGF_NONE),
	CFG_STR("retry_max", "1h", CFGF_NONE),
	CFG_STR("warn", "4h", CFGF_NONE),
	CFG_STR("expire", "5d", CFGF_NONE),
	CFG_INT("connections", QUEUE_AGENTS_MAX, CFGF_NONE),
	CFG_INT("connections_per_host", QUEUE_AGENTS_HOST, CFGF_NONE),
	CFG_END()
};

static cfg_opt_t password_opts[] = {
	CFG_INT("argon2_passes", 2, CFGF_NONE),
	CFG_STR("argon2_memory", "19M", CFGF_NONE),
	CFG_INT("scram_iterations", 10000, CFGF_NONE),
	CFG_END()
};

static cfg_opt_t dns_opts[] = {
	CFG_STR_LIST("forward", "{}", CFGF_NONE),
	CFG_STR("trust_anchor", CONFIG_TRUST_ANCHOR, CFGF_NONE),
	CFG_STR("root_hints", "", CFGF_NONE),
	CFG_END()
};

static cfg_opt_t testing_opts[] = {
	CFG_INT("smtp_port", 25, CFGF_NONE),
	CFG_INT("https_port", 443, CFGF_NONE),
	CFG_BOOL("loopback", cfg_false, CFGF_NONE),
	CFG_END()
};

static cfg_opt_t log_opts[] = {
	CFG_STR("file", "", CFGF_NONE),
	CFG_STR("level", "info", CFGF_NONE),
	CFG_END()
};

static cfg_opt_t top_opts[] = {
	CFG_STR("hostname", NULL, CFGF_NONE),
	CFG_STR("data", "data", CFGF_NONE),
	CFG_STR("user", "kingpost", CFGF_NONE),
	CFG_STR("postmaster", "", CFGF_NONE),
	CFG_STR("memory_limit", "256M", CFGF_NONE),
	CFG_STR("size_limit", "50M", CFGF_NONE),
	CFG_STR("reserve", "64M", CFGF_NONE),
	CFG_STR("plaintext_auth", "never", CFGF_NONE),
	CFG_BOOL("secure_delete", cfg_false, CFGF_NONE),
	CFG_INT("readers", 3, CFGF_NONE),
	CFG_SEC("listener", listener_opts, CFGF_MULTI | CFGF_TITLE |
	    CFGF_NO_TITLE_DUPES),
	CFG_SEC("certificate", certificate_opts, CFGF_MULTI | CFGF_TITLE |
	    CFGF_NO_TITLE_DUPES),
	CFG_SEC("limits", limits_opts, CFGF_NONE),
	CFG_SEC("queue", queue_opts, CFGF_NONE),
	CFG_SEC("route", config_route_opts, CFGF_MULTI | CFGF_TITLE |
	    CFGF_NO_TITLE_DUPES),
	CFG_SEC("fallback", config_route_opts, CFGF_NONE),
	CFG_SEC("password", password_opts, CFGF_NONE),
	CFG_SEC("log", log_opts, CFGF_NONE),
	CFG_STR("tls_ca_file", CONFIG_CA_FILE, CFGF_NONE),
	CFG_SEC("dns", dns_opts, CFGF_NONE),
	CFG_SEC("testing", testing_opts, CFGF_MULTI),
	CFG_END()
};

/* ---- reading ---- */

/* What a reading carries about; libconfuse's error hook finds why in it. */
struct reading {
	struct config *c;
	struct buf *why;
	const char *text;	/* the file's, for find_line */
	bool failed;
};

/*
 * libconfuse hands its error function nothing of ours, so where the message
 * goes is kept for the thread while a file is parsed.
 */
static _Thread_local struct reading *reading_now;

static void note_error(cfg_t *cfg, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void
note_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	struct reading *r = reading_now;

	if (r->failed)
		return;		/* the first one tells most */
	r->failed = true;
	buf_printf(r->why, "%s:%d: ", r->c->path, cfg ? cfg->line : 0);
	buf_vprintf(r->why, fmt, ap);
}

void
config_put_place(const struct config *c, struct config_place place,
    struct buf *out)
{
	buf_printf(out, "%s:", c->path);
	if (place.line)
		buf_printf(out, "%u:", place.line);
	buf_addc(out, ' ');
}

/*
 * libconfuse does not tell where a value or a section stands: the first line
 * that begins with key and, where there is one, title. 0: there is none.
 */
static unsigned
find_line(const char *text, const char *key, const char *title)
{
	size_t len = strlen(key);
	unsigned line = 1;

	while (text && *text) {
		const char *p = text + strspn(text, " \t");

		if (strncmp(p, key, len) == 0 && strchr(" \t=", p[len])) {
			p += len + strspn(p + len, " \t\"'");
			if (!title || (strncmp(p, title, strlen(title)) == 0 &&
			    strchr(" \t\"'{\r\n", p[strlen(title)])))
				return line;
		}
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
		line++;
	}
	return 0;
}

static unsigned
line_of(const struct reading *r, const char *key)
{
	return find_line(r->text, key, NULL);
}

static int reject(struct reading *r, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int
reject(struct reading *r, unsigned line, const char *fmt, ...)
{
	struct config_place place = { line };
	va_list ap;

	if (!r->failed) {
		config_put_place(r->c, place, r->why);
		va_start(ap, fmt);
		buf_vprintf(r->why, fmt, ap);
		va_end(ap);
	}
	r->failed = true;
	return ERR_CONFIG;
}

static char *
resolve_path(const struct config *c, const char *path)
{
	struct buf b = BUF_INIT;

	if (*path != '/')
		buf_printf(&b, "%s/", c->dir);
	buf_adds(&b, path);
	return buf_take(&b);
}

static int
read_size(struct reading *r, cfg_t *cfg, const char *key, uint64_t min,
    uint64_t max, uint64_t *out)
{
	const char *s = cfg_getstr(cfg, key);

	if (config_parse_size(s, out) < 0)
		return reject(r, line_of(r, key), "%s = \"%s\" is not a size; write it "
		    "like \"64M\"", key, s);
	if (*out < min || *out > max)
		return reject(r, line_of(r, key), "%s = \"%s\" is out of range: from "
		    "%" PRIu64 " to %" PRIu64 " bytes", key, s, min, max);
	return 0;
}

static int
read_count(struct reading *r, cfg_t *cfg, const char *key, long min, long max,
    unsigned *out)
{
	long n = cfg_getint(cfg, key);

	if (n < min || n > max)
		return reject(r, line_of(r, key), "%s = %ld is out of range: from %ld to "
		    "%ld", key, n, min, max);
	*out = (unsigned)n;
	return 0;
}

static int
read_listener(struct reading *r, cfg_t *sec, struct config_listener *l)
{
	const char *protocol = cfg_getstr(sec, "protocol");
	const char *tls = cfg_getstr(sec, "tls");
	long port = cfg_getint(sec, "port");
	int n;

	l->name = xstrdup(cfg_title(sec));
	l->place.line = find_line(r->text, "listener", l->name);
	l->address_count = cfg_size(sec, "address");
	l->addresses = xcalloc(l->address_count + 1, sizeof *l->addresses);
	for (unsigned i = 0; i < l->address_count; i++) {
		struct addr a;

		l->addresses[i] = xstrdup(cfg_getnstr(sec, "address", i));
		if (addr_parse(&a, span_of(l->addresses[i])) < 0)
			return reject(r, l->place.line, "listener %s: \"%s\" is not an "
			    "IP address", l->name, l->addresses[i]);
	}
	if (l->address_count == 0)
		return reject(r, l->place.line, "listener %s has no address", l->name);
	if (!protocol || (n = find_name(protocol_names,
	    COUNT(protocol_names), protocol)) < 0)
		return reject(r, l->place.line, "listener %s needs a protocol: smtp, "
		    "submission, pop3 or imap", l->name);
	l->protocol = (enum protocol)n;
	if ((n = find_name(tls_names, COUNT(tls_names), tls)) < 0)
		return reject(r, l->place.line, "listener %s: tls = \"%s\" is none of "
		    "none, starttls, implicit", l->name, tls);
	l->tls = (enum tls_mode)n;
	if (port < 0 || port > 65535)
		return reject(r, l->place.line, "listener %s needs a port from 1 to "
		    "65535", l->name);
	l->port = (uint16_t)port;
	return 0;
}

static int
read_certificate(struct reading *r, cfg_t *sec, struct config_certificate *k)
{
	const char *chain = cfg_getstr(sec, "chain");
	const char *key = cfg_getstr(sec, "key");

	k->name = xstrdup(cfg_title(sec));
	k->place.line = find_line(r->text, "certificate", k->name);
	if (!chain || !key)
		return reject(r, k->place.line, "certificate %s needs chain and key, "
		    "two PEM files", k->name);
	k->chain_path = resolve_path(r->c, chain);
	k->key_path = resolve_path(r->c, key);
	return 0;
}

static int
read_sections(struct reading *r, cfg_t *cfg)
{
	struct config *c = r->c;
	int err;

	c->listener_count = cfg_size(cfg, "listener");
	c->listeners = xcalloc(c->listener_count + 1, sizeof *c->listeners);
	for (unsigned i = 0; i < c->listener_count; i++)
		if ((err = read_listener(r, cfg_getnsec(cfg, "listener", i),
		    &c->listeners[i])) < 0)
			return err;
	if (c->listener_count == 0)
		return reject(r, 0, "there is no listener section, so "
		    "nobody could connect");
	c->certificate_count = cfg_size(cfg, "certificate");
	c->certificates = xcalloc(c->certificate_count + 1,
	    sizeof *c->certificates);
	for (unsigned i = 0; i < c->certificate_count; i++)
		if ((err = read_certificate(r, cfg_getnsec(cfg,
		    "certificate", i), &c->certificates[i])) < 0)
			return err;
	return 0;
}

static int
read_nets(struct reading *r, cfg_t *sec, const char *key,
    struct addr_net **nets, size_t *count)
{
	*count = cfg_size(sec, key);
	*nets = xcalloc(*count + 1, sizeof **nets);
	for (unsigned i = 0; i < *count; i++) {
		const char *s = cfg_getnstr(sec, key, i);

		if (addr_net_parse(&(*nets)[i], span_of(s)) < 0)
			return reject(r, line_of(r, key), "%s: \"%s\" is not "
			    "an address or a network like 192.0.2.0/24", key,
			    s);
	}
	return 0;
}

static int
read_limits(struct reading *r, cfg_t *sec)
{
	struct config *c = r->c;
	int err;

	if ((err = read_count(r, sec, "connections", 1, 100000,
	    &c->connections)) < 0 ||
	    (err = read_count(r, sec, "connections_per_address", 1, 100000,
	    &c->connections_pending)) < 0 ||
	    (err = read_count(r, sec, "new_connections_per_minute", 1,
	    1000000, &c->connections_minute)) < 0 ||
	    (err = read_count(r, sec, "connections_per_account", 1, 100000,
	    &c->connections_account)) < 0 ||
	    (err = read_count(r, sec, "messages_per_day", 0, 1000000,
	    &c->messages_day)) < 0 ||
	    (err = read_count(r, sec, "new_recipients_per_day", 0, 1000000,
	    &c->new_recipients_day)) < 0 ||
	    (err = read_count(r, sec, "relay_messages_per_day", 0, 1000000,
	    &c->relay_messages_day)) < 0 ||
	    (err = read_count(r, sec, "recipients", 100, 1000,
	    &c->recipients)) < 0 ||	/* RFC 5321 4.5.3.1.8: at least 100 */
	    (err = read_count(r, sec, "recipients_inbound", 100, 1000,
	    &c->recipients_inbound)) < 0)
		return err;
	if ((err = read_nets(r, sec, "exempt", &c->exempt,
	    &c->exempt_count)) < 0)
		return err;
	return read_nets(r, sec, "relay_from", &c->relay_from,
	    &c->relay_from_count);
}

static int
read_time(struct reading *r, cfg_t *cfg, const char *key, int64_t min_s,
    int64_t max_s, int64_t *out)
{
	const char *s = cfg_getstr(cfg, key);

	if (config_parse_time(s, out) < 0)
		return reject(r, line_of(r, key), "%s = \"%s\" is not a time; "
		    "write it like \"5m\", \"4h\" or \"5d\"", key, s);
	if (*out < min_s || *out > max_s)
		return reject(r, line_of(r, key), "%s = \"%s\" is out of "
		    "range: from %" PRId64 " to %" PRId64 " seconds", key, s,
		    min_s, max_s);
	return 0;
}

static int
read_queue(struct reading *r, cfg_t *sec)
{
	struct config *c = r->c;
	int err;

	if ((err = read_time(r, sec, "retry", 1, 86400,
	    &c->queue_retry_s)) < 0 ||
	    (err = read_time(r, sec, "retry_max", c->queue_retry_s, 7 * 86400,
	    &c->queue_retry_max_s)) < 0 ||
	    (err = read_time(r, sec, "warn", 60, 30 * 86400,
	    &c->queue_warn_s)) < 0 ||
	    (err = read_time(r, sec, "expire", 60, 60 * 86400,
	    &c->queue_expire_s)) < 0 ||
	    (err = read_count(r, sec, "connections", 1, 1000,
	    &c->queue_connections)) < 0)
		return err;
	return read_count(r, sec, "connections_per_host", 1, 100,
	    &c->queue_connections_host);
}

static int
read_routes(struct reading *r, cfg_t *cfg)
{
	struct config *c = r->c;
	struct buf fault = BUF_INIT;
	int err = 0;

	c->route_count = cfg_size(cfg, "route");
	c->routes = xcalloc(c->route_count + 1, sizeof *c->routes);
	for (unsigned i = 0; i < c->route_count && err == 0; i++) {
		cfg_t *sec = cfg_getnsec(cfg, "route", i);

		if (config_route_read(&c->routes[i], sec, &fault) < 0)
			err = reject(r, find_line(r->text, "route",
			    cfg_title(sec)), "route %s: %s", cfg_title(sec),
			    fault.p);
	}
	if (err == 0 && config_fallback_read(&c->fallback,
	    cfg_getsec(cfg, "fallback"), &fault) < 0)
		err = reject(r, line_of(r, "fallback"), "fallback: %s",
		    fault.p);
	buf_release(&fault);
	return err;
}

static int
read_password(struct reading *r, cfg_t *sec)
{
	struct config *c = r->c;
	int err;

	if ((err = read_count(r, sec, "argon2_passes", 1, 100,
	    &c->argon2_passes)) < 0 ||
	    (err = read_size(r, sec, "argon2_memory", 8192, 1u << 30,
	    &c->argon2_memory)) < 0)
		return err;
	return read_count(r, sec, "scram_iterations", 1, 10000000,
	    &c->scram_iterations);
}

static int
read_log(struct reading *r, cfg_t *sec)
{
	const char *path = cfg_getstr(sec, "file");
	const char *level = cfg_getstr(sec, "level");
	int n = find_name(level_names, COUNT(level_names), level);

	if (n < 0)
		return reject(r, line_of(r, "level"), "level = \"%s\" is none of debug, info, "
		    "warn, error", level);
	r->c->log_level = (enum log_level)n;
	r->c->log_path = *path ? resolve_path(r->c, path) : xstrdup("");
	return 0;
}

/* "192.0.2.53" or "192.0.2.53@5353" */
static bool
is_forwarder(const char *s)
{
	const char *at = strchr(s, '@');
	struct span addr = span_head(span_of(s), at ? (size_t)(at - s) :
	    strlen(s));
	char *end = NULL;
	struct addr a;
	unsigned long port = 53;

	if (at && at[1] >= '0' && at[1] <= '9')
		port = strtoul(at + 1, &end, 10);
	if (at && (!end || *end))
		return false;
	return addr_parse(&a, addr) == 0 && port > 0 && port <= 65535;
}

static int
read_dns(struct reading *r, cfg_t *sec)
{
	struct config *c = r->c;
	const char *anchor = cfg_getstr(sec, "trust_anchor");
	const char *hints = cfg_getstr(sec, "root_hints");

	c->dns_forward_count = cfg_size(sec, "forward");
	c->dns_forward = xcalloc(c->dns_forward_count + 1,
	    sizeof *c->dns_forward);
	for (unsigned i = 0; i < c->dns_forward_count; i++) {
		const char *s = cfg_getnstr(sec, "forward", i);

		if (!is_forwarder(s))
			return reject(r, line_of(r, "forward"), "forward: "
			    "\"%s\" is not an address like 192.0.2.53 or "
			    "192.0.2.53@5353", s);
		c->dns_forward[i] = xstrdup(s);
	}
	c->dns_trust_anchor = *anchor ? resolve_path(c, anchor) : xstrdup("");
	c->dns_root_hints = *hints ? resolve_path(c, hints) : xstrdup("");
	return 0;
}

static int
read_testing(struct reading *r, cfg_t *cfg)
{
	struct config *c = r->c;
	cfg_t *sec = cfg_size(cfg, "testing") ? cfg_getsec(cfg, "testing") :
	    NULL;
	unsigned smtp = 25, https = 443;
	int err;

	c->has_testing = sec != NULL;
	c->testing_place.line = line_of(r, "testing");
	if (sec && ((err = read_count(r, sec, "smtp_port", 1, 65535,
	    &smtp)) < 0 || (err = read_count(r, sec, "https_port", 1, 65535,
	    &https)) < 0))
		return err;
	c->testing_loopback = sec && cfg_getbool(sec, "loopback") == cfg_true;
	c->port_smtp = (uint16_t)smtp;
	c->port_https = (uint16_t)https;
	return 0;
}

static int
read_hostname(struct reading *r, cfg_t *cfg)
{
	const char *hostname = cfg_getstr(cfg, "hostname");
	struct buf ascii = BUF_INIT;

	if (!hostname || !*hostname)
		return reject(r, 0, "hostname is missing: the name this "
		    "server has in DNS, like mail.example.org");
	if (idna_to_ascii(&ascii, span_of(hostname)) < 0) {
		buf_release(&ascii);
		return reject(r, line_of(r, "hostname"), "hostname = \"%s\" is not a host name",
		    hostname);
	}
	r->c->hostname = buf_take(&ascii);
	return 0;
}

static int
read_top(struct reading *r, cfg_t *cfg)
{
	struct config *c = r->c;
	const char *auth = cfg_getstr(cfg, "plaintext_auth");
	int err;

	if ((err = read_hostname(r, cfg)) < 0)
		return err;
	c->data_dir = resolve_path(c, cfg_getstr(cfg, "data"));
	c->user = xstrdup(cfg_getstr(cfg, "user"));
	c->postmaster = xstrdup(cfg_getstr(cfg, "postmaster"));
	c->secure_delete = cfg_getbool(cfg, "secure_delete") == cfg_true;
	c->plaintext_loopback = strcmp(auth, "loopback") == 0;
	if (!c->plaintext_loopback && strcmp(auth, "never") != 0)
		return reject(r, line_of(r, "plaintext_auth"),
		    "plaintext_auth = \"%s\" is neither "
		    "never nor loopback", auth);
	if ((err = read_size(r, cfg, "memory_limit", 32u << 20, 1ull << 40,
	    &c->memory_limit)) < 0 ||
	    (err = read_size(r, cfg, "size_limit", 64u << 10, 1u << 30,
	    &c->size_limit)) < 0 ||	/* RFC 5321 4.5.3.1.7: 64K octets */
	    (err = read_size(r, cfg, "reserve", 0, 1ull << 40,
	    &c->reserve)) < 0)
		return err;
	return read_count(r, cfg, "readers", 1, 8, &c->readers);
}

static int
read_all(struct reading *r, cfg_t *cfg)
{
	struct config *c = r->c;
	int err;

	if ((err = read_top(r, cfg)) < 0 ||
	    (err = read_limits(r, cfg_getsec(cfg, "limits"))) < 0 ||
	    (err = read_queue(r, cfg_getsec(cfg, "queue"))) < 0 ||
	    (err = read_routes(r, cfg)) < 0 ||
	    (err = read_password(r, cfg_getsec(cfg, "password"))) < 0 ||
	    (err = read_log(r, cfg_getsec(cfg, "log"))) < 0 ||
	    (err = read_dns(r, cfg_getsec(cfg, "dns"))) < 0 ||
	    (err = read_testing(r, cfg)) < 0)
		return err;
	c->tls_ca_path = resolve_path(c, cfg_getstr(cfg, "tls_ca_file"));
	return read_sections(r, cfg);
}

/* Implicit TLS and STARTTLS need something to show. */
static int
check_certificates(struct reading *r)
{
	struct config *c = r->c;

	for (size_t i = 0; i < c->listener_count; i++)
		if (c->listeners[i].tls != TLS_MODE_NONE &&
		    c->certificate_count == 0) {
			config_put_place(c, c->listeners[i].place, r->why);
			buf_printf(r->why, "listener %s offers TLS, but there "
			    "is no certificate section",
			    c->listeners[i].name);
			r->failed = true;
			return ERR_CONFIG;
		}
	return 0;
}

static void
set_path(struct config *c, const char *path)
{
	char *real = realpath(path, NULL);
	char *slash;

	c->path = real ? real : xstrdup(path);
	c->dir = xstrdup(c->path);
	slash = strrchr(c->dir, '/');
	if (!slash) {
		free(c->dir);
		c->dir = xstrdup(".");
	} else {
		slash[slash == c->dir] = '\0';
	}
}

struct config *
config_read(const char *path, struct buf *why)
{
	struct config *c = xcalloc(1, sizeof *c);
	struct reading r = { .c = c, .why = why };
	struct buf text = BUF_INIT;
	cfg_t *cfg = NULL;

	set_path(c, path);
	if (config_read_file(c->path, CONFIG_FILE_MAX, &text, why) < 0) {
		r.failed = true;
		goto out;
	}
	blank_comments(text.p);
	reading_now = &r;
	r.text = text.p;
	cfg = cfg_init(top_opts, CFGF_NONE);
	cfg_set_error_function(cfg, note_error);
	if (cfg_parse_buf(cfg, text.p) != CFG_SUCCESS && !r.failed)
		reject(&r, 0, "it cannot be understood");
	if (!r.failed && read_all(&r, cfg) == 0)
		check_certificates(&r);
	cfg_free(cfg);
	reading_now = NULL;
out:
	buf_release(&text);
	if (!r.failed)
		return c;
	config_free(c);
	return NULL;
}

void
config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->listener_count; i++) {
		struct config_listener *l = &c->listeners[i];

		for (size_t n = 0; n < l->address_count; n++)
			free(l->addresses[n]);
		free(l->addresses);
		free(l->name);
	}
	for (size_t i = 0; i < c->certificate_count; i++) {
		free(c->certificates[i].name);
		free(c->certificates[i].chain_path);
		free(c->certificates[i].key_path);
	}
	for (size_t i = 0; i < c->route_count; i++)
		config_route_release(&c->routes[i]);
	free(c->routes);
	config_smarthost_free(c->fallback);
	for (size_t i = 0; i < c->dns_forward_count; i++)
		free(c->dns_forward[i]);
	free(c->dns_forward);
	free(c->dns_trust_anchor);
	free(c->dns_root_hints);
	free(c->tls_ca_path);
	free(c->listeners);
	free(c->certificates);
	free(c->exempt);
	free(c->relay_from);
	free(c->path);
	free(c->dir);
	free(c->hostname);
	free(c->data_dir);
	free(c->user);
	free(c->postmaster);
	free(c->log_path);
	free(c);
}
