#include "server/config_route.h"

#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/idna.h"
#include "server/base/xalloc.h"

cfg_opt_t config_route_opts[] = {
	CFG_STR("host", "", CFGF_NONE),
	CFG_INT("port", 0, CFGF_NONE),
	CFG_STR("tls", "", CFGF_NONE),
	CFG_BOOL("implicit_tls", cfg_false, CFGF_NONE),
	CFG_STR("user", "", CFGF_NONE),
	CFG_STR("password", "", CFGF_NONE),
	CFG_END()
};

static const char *const tls_names[] = {
	[ROUTE_TLS_NEVER] = "never", [ROUTE_TLS_MAY] = "may",
	[ROUTE_TLS_MUST] = "must", [ROUTE_TLS_VERIFY] = "verify",
	[ROUTE_TLS_DANE] = "dane"
};

static int
read_tls(cfg_t *sec, enum route_tls *tls, bool *is_given, struct buf *fault)
{
	const char *s = cfg_getstr(sec, "tls");

	*is_given = *s != '\0';
	for (size_t i = 0; i < COUNT(tls_names); i++)
		if (strcmp(s, tls_names[i]) == 0) {
			*tls = (enum route_tls)i;
			return 0;
		}
	if (!*is_given)
		return 0;
	buf_printf(fault, "tls = \"%s\" is none of never, may, must, verify, "
	    "dane", s);
	return ERR_CONFIG;
}

/* A name as A-labels, or an address literal as it is. Owned; NULL: neither. */
static char *
read_host(const char *s)
{
	struct buf name = BUF_INIT;

	if (*s == '[')
		return xstrdup(s);
	if (idna_to_ascii(&name, span_of(s)) == 0)
		return buf_take(&name);
	buf_release(&name);
	return NULL;
}

static int
read_login(struct route_smarthost *h, cfg_t *sec, struct buf *fault)
{
	const char *user = cfg_getstr(sec, "user");
	const char *password = cfg_getstr(sec, "password");

	if (!*user != !*password) {
		buf_adds(fault, "user and password go together");
		return ERR_CONFIG;
	}
	if (!*user)
		return 0;
	h->user = xstrdup(user);
	h->password = xstrdup(password);
	return 0;
}

/* Without a word of TLS, a password goes to a verified host alone. */
static int
read_smarthost(struct route_smarthost *h, cfg_t *sec, struct buf *fault)
{
	long port = cfg_getint(sec, "port");
	bool has_tls;
	int err;

	if ((h->host = read_host(cfg_getstr(sec, "host"))) == NULL) {
		buf_printf(fault, "host = \"%s\" is no host name",
		    cfg_getstr(sec, "host"));
		return ERR_CONFIG;
	}
	if (port < 0 || port > 65535) {
		buf_adds(fault, "port is from 1 to 65535");
		return ERR_CONFIG;
	}
	h->port = (uint16_t)port;
	h->is_implicit_tls = cfg_getbool(sec, "implicit_tls") == cfg_true;
	if ((err = read_login(h, sec, fault)) < 0 ||
	    (err = read_tls(sec, &h->tls, &has_tls, fault)) < 0)
		return err;
	if (!has_tls)
		h->tls = h->user || h->is_implicit_tls ? ROUTE_TLS_VERIFY :
		    ROUTE_TLS_MAY;
	/* Whoever breaks the handshake would be told it then. */
	if (h->user && h->tls == ROUTE_TLS_MAY) {
		buf_adds(fault, "a password wants tls = must, verify or dane, "
		    "or never");
		return ERR_CONFIG;
	}
	if (h->is_implicit_tls && h->tls < ROUTE_TLS_MUST) {
		buf_adds(fault, "implicit_tls needs tls = must, verify or "
		    "dane");
		return ERR_CONFIG;
	}
	return 0;
}

void
config_smarthost_free(const struct route_smarthost *host)
{
	if (!host)
		return;
	if (host->password)
		explicit_bzero((char *)(uintptr_t)host->password,
		    strlen(host->password));
	free((void *)(uintptr_t)host->host);
	free((void *)(uintptr_t)host->user);
	free((void *)(uintptr_t)host->password);
	free((void *)(uintptr_t)host);
}

void
config_route_release(struct route_rule *rule)
{
	config_smarthost_free(rule->via);
	free((void *)(uintptr_t)rule->domain);
	*rule = (struct route_rule){ .domain = NULL };
}

/* "*", "example.org" or ".example.org". Owned; NULL: none of these. */
static char *
read_domain(const char *s)
{
	struct buf name = BUF_INIT;
	bool is_below = *s == '.';

	if (strcmp(s, "*") == 0 || *s == '[')
		return xstrdup(s);
	if (is_below)
		buf_addc(&name, '.');
	if (idna_to_ascii(&name, span_of(s + is_below)) == 0)
		return buf_take(&name);
	buf_release(&name);
	return NULL;
}

int
config_route_read(struct route_rule *rule, cfg_t *sec, struct buf *fault)
{
	struct route_smarthost *via;
	int err;

	if ((rule->domain = read_domain(cfg_title(sec))) == NULL) {
		buf_adds(fault, "its name is a domain, \".\" and a domain, "
		    "or \"*\"");
		return ERR_CONFIG;
	}
	if (*cfg_getstr(sec, "host")) {
		via = xcalloc(1, sizeof *via);
		rule->via = via;
		return read_smarthost(via, sec, fault);
	}
	if ((err = read_tls(sec, &rule->tls, &rule->has_tls, fault)) < 0)
		return err;
	if (cfg_getint(sec, "port") || *cfg_getstr(sec, "user") ||
	    *cfg_getstr(sec, "password") ||
	    cfg_getbool(sec, "implicit_tls") == cfg_true) {
		buf_adds(fault, "a port, TLS from the start, or a log-in "
		    "without a host");
		return ERR_CONFIG;
	}
	return 0;
}

int
config_fallback_read(struct route_smarthost **host, cfg_t *sec,
    struct buf *fault)
{
	*host = NULL;
	if (!*cfg_getstr(sec, "host"))
		return 0;
	*host = xcalloc(1, sizeof **host);
	return read_smarthost(*host, sec, fault);
}
