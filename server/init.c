#include "server/init.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/codec.h"
#include "server/base/err.h"
#include "server/base/random.h"
#include "server/base/xalloc.h"
#include "server/config.h"
#include "server/control.h"
#include "server/local.h"
#include "server/net/certs.h"
#include "server/privileges.h"
#include "store/mime/address.h"

#define CERT_DAYS 3650	/* self-signed: nobody renews it */
#define SERVICE_USER "kingpost"

/* What init makes, spelled out once. */
struct layout {
	char *conf, *tls, *cert, *key, *data;
};

static char *
join(const char *dir, const char *name)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "%s/%s", dir, name);
	return buf_take(&b);
}

static void
layout_init(struct layout *l, const char *dir)
{
	l->conf = join(dir, "kingpost.conf");
	l->tls = join(dir, "tls");
	l->cert = join(dir, "tls/cert.pem");
	l->key = join(dir, "tls/key.pem");
	l->data = join(dir, "data");
}

static void
layout_release(struct layout *l)
{
	free(l->conf);
	free(l->tls);
	free(l->cert);
	free(l->key);
	free(l->data);
}

static int
refuse_overwrite(const struct layout *l, struct buf *why)
{
	const char *paths[] = { l->conf, l->cert, l->key, l->data };

	for (size_t i = 0; i < COUNT(paths); i++) {
		if (access(paths[i], F_OK) == 0) {
			buf_printf(why, "%s exists already; nothing was "
			    "changed", paths[i]);
			return ERR_EXISTS;
		}
	}
	return 0;
}

static int
make_dir(const char *path, mode_t mode, struct buf *why)
{
	if (mkdir(path, mode) == 0 || errno == EEXIST)
		return 0;
	buf_printf(why, "cannot make %s: %s", path, strerror(errno));
	return ERR_IO;
}

static int
write_new(const char *path, mode_t mode, struct span bytes, struct buf *why)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	bool good = fd >= 0 &&
	    write(fd, bytes.p, bytes.len) == (ssize_t)bytes.len &&
	    fsync(fd) == 0;

	if (!good)
		buf_printf(why, "cannot write %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return good ? 0 : ERR_IO;
}

static const struct {
	const char *name;
	int port;
	const char *protocol, *tls, *comment;
} listeners[] = {
	{ "smtp", 25, "smtp", "starttls", "mail from other servers" },
	{ "submission", 587, "submission", "starttls",
	    "mail from your own people" },
	{ "submission-2525", 2525, "submission", "starttls",
	    "the same, where 587 is blocked" },
	{ "submissions", 465, "submission", "implicit", "the same, best" },
	{ "pop3", 110, "pop3", "starttls", "reading" },
	{ "pop3s", 995, "pop3", "implicit", "reading, best" },
	{ "imap", 143, "imap", "starttls", "reading" },
	{ "imaps", 993, "imap", "implicit", "reading, best" },
};

static void
put_config(struct buf *b, const char *hostname, const char *postmaster)
{
	buf_printf(b,
	    "# Kingpost's configuration. Paths count from this folder. After\n"
	    "# a change: restart; for certificates and log: reload (SIGHUP).\n"
	    "\n"
	    "hostname = \"%s\"\t# this server's name in DNS\n"
	    "data = \"data\"\t\t# the mail, in one SQLite database\n"
	    "user = \"" SERVICE_USER "\"\t# to run as, when started as root\n"
	    "postmaster = \"%s\"\t# who gets mail for postmaster and abuse\n"
	    "\n"
	    "size_limit = \"50M\"\t# the largest message\n"
	    "memory_limit = \"256M\"\t# for what peers send and ask for\n"
	    "reserve = \"64M\"\t\t# kept free, so that a full disk can be "
	    "emptied\n"
	    "plaintext_auth = never\t# or loopback: log-in without TLS from "
	    "here\n"
	    "\n"
	    "# Made by init; signed by nobody. See README.md for real ones.\n"
	    "certificate default {\n"
	    "\tchain = \"tls/cert.pem\"\n"
	    "\tkey = \"tls/key.pem\"\n"
	    "}\n\n", hostname, postmaster);
	for (size_t i = 0; i < COUNT(listeners); i++)
		buf_printf(b, "listener %s {\t# %s\n"
		    "\taddress = {\"::\", \"0.0.0.0\"}\n"
		    "\tport = %d\n\tprotocol = %s\n\ttls = %s\n}\n",
		    listeners[i].name, listeners[i].comment,
		    listeners[i].port, listeners[i].protocol,
		    listeners[i].tls);
	buf_adds(b, "\nlimits {\n"
	    "\tconnections = 1024\n"
	    "\tconnections_per_address = 20\t# before they log in\n"
	    "\tnew_connections_per_minute = 60\t# of one address\n"
	    "\tconnections_per_account = 50\n"
	    "\texempt = {\"127.0.0.0/8\", \"::1\"}\n"
	    "\t# What an account sends to other servers in a day.\n"
	    "\tmessages_per_day = 100000\n"
	    "\tnew_recipients_per_day = 5000\n"
	    "\t# Scanners and printers that submit without a log-in:\n"
	    "\t#relay_from = {\"192.0.2.0/24\"}\n"
	    "}\n\n"
	    "# Mail for other servers: when it is tried again, when its sender is\n"
	    "# told, when it is given up.\n"
	    "queue {\n"
	    "\tretry = \"5m\"\t\t# then doubled ...\n"
	    "\tretry_max = \"1h\"\t# ... up to this\n"
	    "\twarn = \"4h\"\n"
	    "\texpire = \"5d\"\n"
	    "}\n\nlog {\n"
	    "\tfile = \"\"\t\t# standard error, for the journal\n"
	    "\tlevel = info\t\t# debug, info, warn, error\n"
	    "}\n\n"
	    "# Names are looked up from the root down, and validated. With a\n"
	    "# resolver of your own:\n"
	    "#dns {\n"
	    "#\tforward = {\"192.0.2.53\"}\n"
	    "#}\n"
	    "# Whose certificates other servers have:\n"
	    "#tls_ca_file = \"" CONFIG_CA_FILE "\"\n"
	    "# Mail for others goes to their servers. Through one host "
	    "instead:\n"
	    "#route \"*\" {\n"
	    "#\thost = \"smtp.provider.example\"\n"
	    "#\tport = 587\n"
	    "#\tuser = \"me\"\n"
	    "#\tpassword = \"secret\"\t# keep this file to yourself then\n"
	    "#}\n");
}

static int
make_certificate(const struct layout *l, const char *hostname,
    struct buf *why)
{
	struct buf cert = BUF_INIT, key = BUF_INIT;
	int64_t now = clock_system()->wall_s(clock_system());
	int err = cert_make_self_signed(random_system(), &hostname, 1, now,
	    CERT_DAYS, &cert, &key);

	if (err < 0)
		buf_printf(why, "cannot make a certificate for %s: %s",
		    hostname, err_text(err));
	if (err == 0)
		err = write_new(l->key, 0600, buf_span(&key), why);
	if (err == 0)
		err = write_new(l->cert, 0644, buf_span(&cert), why);
	explicit_bzero(key.p, key.len);
	buf_release(&key);
	buf_release(&cert);
	return err;
}

/* As root, with the service's user there already: what it will own. */
static int
give_away(const struct layout *l, struct buf *why)
{
	const struct passwd *pw = getpwnam(SERVICE_USER);
	struct identity id;
	int err;

	if (geteuid() != 0 || !pw)
		return 0;
	id = (struct identity){ pw->pw_uid, pw->pw_gid };
	if ((err = identity_give(&id, l->data, why)) < 0 ||
	    (err = identity_give(&id, l->tls, why)) < 0 ||
	    (err = identity_give(&id, l->cert, why)) < 0)
		return err;
	return identity_give(&id, l->key, why);
}

/* The store says only one thing: {"done":true}. */
static void
drop_answer(struct local_sink *sink, struct buf *out)
{
	(void)sink;
	if (memmem(out->p, out->len, "\"error\"", 7))
		fprintf(stderr, "kingpost: %.*s", (int)out->len, out->p);
}

static int
make_store(const struct layout *l, const char *domain, struct buf *why)
{
	struct local_sink sink = { drop_answer };
	struct config *c = config_read(l->conf, why);
	struct buf request = BUF_INIT;
	int err = ERR_CONFIG;

	if (c) {
		buf_adds(&request, "domain add ");
		percent_encode(&request, span_of(domain));
		buf_adds(&request, "\r\n");
		err = local_run(c, buf_span(&request), &sink, why);
	}
	buf_release(&request);
	config_free(c);
	return err;
}

static int
make_all(const struct layout *l, const char *domain, const char *hostname,
    const struct init_options *o, struct buf *why)
{
	struct buf conf = BUF_INIT;
	int err;

	if ((err = refuse_overwrite(l, why)) < 0 ||
	    (err = make_dir(o->dir, 0755, why)) < 0 ||
	    (err = make_dir(l->tls, 0700, why)) < 0 ||
	    (err = make_dir(l->data, 0700, why)) < 0 ||
	    (err = make_certificate(l, hostname, why)) < 0)
		return err;
	put_config(&conf, hostname, o->postmaster ? o->postmaster : "");
	err = write_new(l->conf, 0644, buf_span(&conf), why);
	buf_release(&conf);
	if (err < 0 || (err = give_away(l, why)) < 0)
		return err;
	return make_store(l, domain, why);
}

static int
check_postmaster(const struct init_options *o, struct buf *why)
{
	struct arena arena = { 0 };
	struct span local, domain;
	int err = 0;

	if (o->postmaster && (address_spec_parse(span_of(o->postmaster),
	    &arena, &local, &domain) < 0 || !domain.len ||
	    strpbrk(o->postmaster, "\"\\\r\n"))) {
		buf_printf(why, "\"%s\" is not an address", o->postmaster);
		err = ERR_SYNTAX;
	}
	arena_release(&arena);
	return err;
}

static void
show_next_steps(const struct layout *l, const struct init_options *o)
{
	printf("Made %s, a self-signed certificate and an empty store.\n\n"
	    "Next:\n", l->conf);
	if (geteuid() == 0 && !getpwnam(SERVICE_USER))
		printf("  adduser --system --group --no-create-home "
		    SERVICE_USER "\n");
	printf("  kingpost --config %s user add %s\n"
	    "  kingpost --config %s serve\n", l->conf,
	    o->postmaster ? o->postmaster : "you@your-domain", l->conf);
}

int
init_run(const struct init_options *o)
{
	struct buf domain = BUF_INIT, hostname = BUF_INIT, why = BUF_INIT;
	struct layout l;
	int err = 0;

	layout_init(&l, o->dir);
	if (domain_key(&domain, span_of(o->domain)) < 0 || !domain.len ||
	    domain.p[0] == '[') {
		buf_printf(&why, "\"%s\" is not a domain", o->domain);
		err = ERR_SYNTAX;
	}
	if (err == 0 && o->hostname && domain_key(&hostname,
	    span_of(o->hostname)) < 0) {
		buf_printf(&why, "\"%s\" is not a host name", o->hostname);
		err = ERR_SYNTAX;
	}
	if (err == 0 && !o->hostname)
		buf_printf(&hostname, "mail.%s", domain.p);
	if (err == 0)
		err = check_postmaster(o, &why);
	if (err == 0)
		err = make_all(&l, domain.p, hostname.p, o, &why);
	if (err == 0)
		show_next_steps(&l, o);
	else
		fprintf(stderr, "kingpost: %s\n", why.p);
	layout_release(&l);
	buf_release(&domain);
	buf_release(&hostname);
	buf_release(&why);
	return err < 0 ? EXIT_REFUSED : EXIT_DONE;
}
