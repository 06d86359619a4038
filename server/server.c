/*
 * The server process.
 *
 * Order matters at the start: sockets are bound and key files are read as
 * root, then root is dropped for good, and only then the store is opened and
 * a byte of a peer's is looked at.
 */
#include "server/server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/admin.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "server/certificates.h"
#include "server/net/listener.h"
#include "server/net/loop.h"
#include "server/net/work.h"
#include "server/dkim_keys.h"
#include "server/notify.h"
#include "server/outside.h"
#include "server/privileges.h"
#include "server/process.h"
#include "server/sending.h"
#include "server/services.h"
#include "store/account.h"

#define STOP_MS (8 * 1000)	/* for sessions to say goodbye */
#define TICK_MS (2 * 1000)
/* Store's files, control connections, log; the resolver's sockets. */
#define FDS_TO_COME (12 + 32)

/* A bound socket waiting for the loop. */
struct bound {
	int fd;
	const struct config_listener *from;
	struct listener *listener;
};

struct server {
	struct config *config;
	struct process process;
	struct loop *loop;
	struct work_pool *work;
	struct outside outside;
	struct sending sending;
	struct dkim_keys dkim_keys;
	struct services *services;
	struct service control;
	struct admin_settings admin_settings;
	struct admin_host host;
	struct conn_limits limits;
	struct certificates certificates;
	struct bound *bound;
	size_t bound_count;
	struct listener *control_listener;
	struct loop_signal term, intr, hup;
	struct loop_timer tick, stop_timer;
	struct loop_task gone;		/* ends the loop with the last peer */
	bool stopping;
	int64_t started_s;
};

/* ---- before root is dropped ---- */

static int
bind_one(struct server *sv, const struct config_listener *l, const char *addr,
    struct buf *why)
{
	struct buf reason = BUF_INIT;
	struct bound *b;
	int fd = listener_bind(addr, l->port, &reason);

	if (fd < 0) {
		config_put_place(sv->config, l->place, why);
		buf_printf(why, "listener %s: ", l->name);
		buf_addspan(why, buf_span(&reason));
		buf_release(&reason);
		return fd;
	}
	buf_release(&reason);
	sv->bound = xreallocarray(sv->bound, sv->bound_count + 1,
	    sizeof *sv->bound);
	b = &sv->bound[sv->bound_count++];
	*b = (struct bound){ .fd = fd, .from = l };
	log_event(&sv->process.log, LOG_INFO, "server", "listening",
	    F_STR("listener", l->name), F_STR("address", addr),
	    F_INT("port", listener_port(fd)),
	    F_STR("protocol", config_protocol_name(l->protocol)),
	    F_STR("tls", config_tls_name(l->tls)));
	return 0;
}

/* A kernel without IPv6 must not keep a default configuration from starting. */
static bool
kernel_has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || errno != EAFNOSUPPORT;
}

static int
bind_all(struct server *sv, struct buf *why)
{
	bool v6 = kernel_has_ipv6();
	int err;

	for (size_t i = 0; i < sv->config->listener_count; i++) {
		const struct config_listener *l = &sv->config->listeners[i];

		for (size_t n = 0; n < l->address_count; n++) {
			if (!v6 && strchr(l->addresses[n], ':')) {
				log_event(&sv->process.log, LOG_WARN,
				    "server", "no-ipv6",
				    F_STR("listener", l->name));
				continue;
			}
			if ((err = bind_one(sv, l, l->addresses[n],
			    why)) < 0)
				return err;
		}
	}
	return 0;
}

/* A descriptor, which is the caller's if it is above 2, or ERR_IO. */
static int
open_log(const struct config *c, struct buf *why)
{
	int fd;

	if (!*c->log_path)
		return 2;
	fd = open(c->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC |
	    O_NONBLOCK, 0640);
	if (fd >= 0)
		return fd;
	buf_printf(why, "cannot open the log %s: %s", c->log_path,
	    strerror(errno));
	return ERR_IO;
}

static void
use_log(struct server *sv, const struct config *c, int fd)
{
	int old = sv->process.log.fd;

	sv->process.log.fd = fd;
	sv->process.log.level = c->log_level;
	if (old > 2)
		close(old);
}

/*
 * Root has made the log, and the user goes on writing it. What the name leads
 * to now may be something else, so the descriptor counts; and a link that the
 * user has laid there must not make him the owner of what it leads to.
 */
static int
give_log(int fd, const struct identity *id, struct buf *why)
{
	struct stat st;

	if (fd <= 2 || (fstat(fd, &st) == 0 && (!S_ISREG(st.st_mode) ||
	    st.st_uid != 0 || st.st_nlink != 1)))
		return 0;
	if (fchown(fd, id->uid, id->gid) == 0)
		return 0;
	buf_printf(why, "cannot give the log to user %ld: %s", (long)id->uid,
	    strerror(errno));
	return ERR_IO;
}

/*
 * The folder itself and the files in it. Not what has another name as well:
 * whoever could write here may have laid it there to become its owner.
 */
static bool
is_ours_to_give(int dir_fd, const char *name)
{
	struct stat st;

	if (strcmp(name, ".") == 0)
		return true;
	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    !S_ISDIR(st.st_mode) && st.st_nlink == 1;
}

/*
 * What was made by root before the user existed is the user's from now on.
 * The folder is flat, and links in it are not followed.
 */
static int
give_data_dir(const struct config *c, const struct identity *id,
    struct buf *why)
{
	struct identity now;
	struct dirent *e;
	DIR *d;
	int err;

	(void)mkdir(c->data_dir, 0700);
	if ((err = identity_of_path(c->data_dir, &now, why)) < 0 ||
	    now.uid != 0)
		return err;
	d = opendir(c->data_dir);
	while (err == 0 && d && (e = readdir(d)))
		if (is_ours_to_give(dirfd(d), e->d_name) && fchownat(dirfd(d),
		    e->d_name, id->uid, id->gid, AT_SYMLINK_NOFOLLOW) < 0)
			err = ERR_IO;
	if (err < 0 || !d)
		buf_printf(why, "cannot give %s to user %ld: %s", c->data_dir,
		    (long)id->uid, strerror(errno));
	if (d)
		closedir(d);
	return d ? err : ERR_IO;
}

/* As root: gives data folder and log to the user, then becomes that user. */
static int
drop_root(struct server *sv, struct buf *why)
{
	const struct config *c = sv->config;
	struct identity id;
	int err;

	if (geteuid() != 0)
		return 0;
	if ((err = identity_find(c->user, &id, why)) < 0)
		return err;
	if ((err = give_log(sv->process.log.fd, &id, why)) < 0)
		return err;
	if ((err = give_data_dir(c, &id, why)) < 0)
		return err;
	return identity_become(&id, c->user, why);
}

/* ---- certificates ---- */

static int
use_certificates(struct server *sv, struct buf *why)
{
	struct certset *set = certificates_build(&sv->certificates, why);
	int err;

	if (!set)
		return ERR_CONFIG;
	err = services_set_certs(sv->services, set, sv->process.env.random,
	    why);
	certset_unref(set);
	return err;
}

/* Runs on the loop before it serves, so it may wait for the store. */
static void
directory_home(struct op *op)
{
	op->tag = 1;
}

static int
read_stored_certificates(struct server *sv)
{
	struct rjob_directory *d = rjob_directory_new(&sv->process.env, NULL,
	    LIST_CERTS);
	int err;

	d->j.op.finish = directory_home;
	store_read(sv->process.store, &d->j);
	while (!d->j.op.tag)
		loop_run_once(sv->loop);
	err = d->j.op.err;
	for (size_t i = 0; err == 0 && i < d->count; i++)
		certificates_put_stored(&sv->certificates, d->certs[i].name,
		    d->certs[i].chain, d->certs[i].key);
	op_free(&d->j.op);
	return err;
}

static int
host_use_certificate(struct admin_host *host, struct span chain,
    struct span key, char *name, size_t name_size, int64_t *not_after_s,
    struct buf *why)
{
	struct server *sv = CONTAINER_OF(host, struct server, host);
	int err = certificates_check(sv->process.env.random, chain, key, name,
	    name_size, not_after_s, why);

	if (err < 0)
		return err;
	certificates_put_stored(&sv->certificates, name, chain, key);
	return use_certificates(sv, why);
}

/* ---- status ---- */

static void
put_certificates(struct server *sv, json_t *row)
{
	struct buf why = BUF_INIT;
	struct certset *set = certificates_build(&sv->certificates, &why);
	json_t *list = json_array();
	int64_t now = env_wall_s(&sv->process.env);

	for (size_t i = 0; set && i < certset_count(set); i++) {
		const struct cert_info *info = certset_info(set, i);

		json_array_append_new(list, json_pack("{s:s,s:I}",
		    "name", info->host_count ? info->hosts[0] : info->name,
		    "days_left",
		    (json_int_t)((info->not_after_s - now) / 86400)));
	}
	json_object_set_new(row, "certificates", list);
	certset_unref(set);
	buf_release(&why);
}

static void
host_put_status(struct admin_host *host, json_t *row)
{
	struct server *sv = CONTAINER_OF(host, struct server, host);
	json_t *stats = json_object();

	json_object_set_new(row, "running", json_true());
	json_object_set_new(row, "hostname",
	    json_string(sv->config->hostname));
	json_object_set_new(row, "uptime_s", json_integer(
	    env_wall_s(&sv->process.env) - sv->started_s));
	json_object_set_new(row, "memory_in_use", json_integer(
	    (json_int_t)budget_used(&sv->process.budget)));
	sending_put_status(&sv->sending, json_object_get(row, "queue"));
	put_certificates(sv, row);
#define X(name, text) json_object_set_new(stats, #name, \
	    json_integer((json_int_t)STAT_GET(&sv->process.stats, name)));
	STATS_LIST(X)
#undef X
	json_object_set_new(row, "counters", stats);
}

/* ---- signals ---- */

static void
stop_now(struct loop_timer *t)
{
	struct server *sv = CONTAINER_OF(t, struct server, stop_timer);

	conns_close(&sv->limits);
	dialer_close(sv->outside.dialer);
}

static bool
is_all_gone(const struct server *sv)
{
	return list_is_empty(&sv->limits.conns) &&
	    dialer_is_idle(sv->outside.dialer);
}

static void
on_gone(struct loop_task *t)
{
	struct server *sv = CONTAINER_OF(t, struct server, gone);

	if (sv->stopping && is_all_gone(sv))
		loop_stop(sv->loop);
}

/* The last connection of one kind; there may be some of the other. */
static void
peers_gone(struct conn_limits *limits)
{
	struct server *sv = CONTAINER_OF(limits, struct server, limits);

	loop_soon(sv->loop, &sv->gone);
}

static void
stop_listening(struct server *sv)
{
	for (size_t i = 0; i < sv->bound_count; i++) {
		listener_stop(sv->bound[i].listener);
		sv->bound[i].listener = NULL;
	}
	listener_stop(sv->control_listener);
	sv->control_listener = NULL;
}

static void
on_term(struct loop_signal *s, int signum)
{
	struct server *sv = signum == SIGTERM ?
	    CONTAINER_OF(s, struct server, term) :
	    CONTAINER_OF(s, struct server, intr);

	if (sv->stopping)
		return;
	sv->stopping = true;
	notify_send("STOPPING=1");
	log_event(&sv->process.log, LOG_INFO, "server", "stopping",
	    F_INT("connections", sv->limits.count));
	stop_listening(sv);
	loop_timer_start(sv->loop, &sv->stop_timer, STOP_MS, 0);
	sending_stop(&sv->sending);
	conns_stop(&sv->limits, STOP_SHUTDOWN);
	dialer_stop(sv->outside.dialer, &sv->gone);
	loop_soon(sv->loop, &sv->gone);
}

/* A bad file changes nothing: the old certificates and log stay. */
static void
on_hup(struct loop_signal *s, int signum)
{
	struct server *sv = CONTAINER_OF(s, struct server, hup);
	struct buf why = BUF_INIT;
	struct config *c = config_read(sv->config->path, &why);
	int fd = c ? open_log(c, &why) : ERR_CONFIG;
	struct tls_config *tls = c ? outside_read_tls(&sv->outside, c,
	    &why) : NULL;
	bool good = fd >= 0 && tls &&
	    certificates_read(&sv->certificates, c, &why) == 0 &&
	    use_certificates(sv, &why) == 0;

	(void)signum;
	if (good) {
		use_log(sv, c, fd);
		dialer_set_tls(sv->outside.dialer, tls);
	} else if (fd > 2) {
		close(fd);
	}
	tls_config_unref(tls);
	if (good)
		log_event(&sv->process.log, LOG_INFO, "server", "reloaded");
	else
		log_event(&sv->process.log, LOG_ERROR, "server",
		    "reload-failed", F_SPAN("reason", buf_span(&why)),
		    F_STR("hint", "files that only root can read are loaded "
		    "with: kingpost cert load CHAIN KEY"));
	config_free(c);
	buf_release(&why);
}

static void
on_tick(struct loop_timer *t)
{
	struct server *sv = CONTAINER_OF(t, struct server, tick);

	store_tick(sv->process.store);
	sending_tick(&sv->sending);
}

static int
start_signals(struct server *sv, struct buf *why)
{
	sv->term.raised = sv->intr.raised = on_term;
	sv->hup.raised = on_hup;
	sv->tick.fire = on_tick;
	sv->stop_timer.fire = stop_now;
	loop_task_init(&sv->gone, on_gone);
	loop_timer_start(sv->loop, &sv->tick, TICK_MS, TICK_MS);
	if (loop_signal_start(sv->loop, &sv->term, SIGTERM) < 0 ||
	    loop_signal_start(sv->loop, &sv->intr, SIGINT) < 0 ||
	    loop_signal_start(sv->loop, &sv->hup, SIGHUP) < 0) {
		buf_adds(why, "cannot catch signals");
		return ERR_IO;
	}
	return 0;
}

/* ---- listening ---- */

/* The one who owns the store, or root. */
static bool
admit_control(const struct service *s, const struct conn_cred *cred)
{
	(void)s;
	return cred->uid == 0 || cred->uid == geteuid();
}

static int
start_control(struct server *sv, struct buf *why)
{
	int dir = open(sv->config->data_dir, O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	int fd;

	if (dir < 0) {
		buf_printf(why, "cannot open %s: %s", sv->config->data_dir,
		    strerror(errno));
		return ERR_IO;
	}
	fd = listener_bind_local(dir, CONTROL_SOCKET, why);
	close(dir);
	if (fd < 0)
		return fd;
	sv->host.use_certificate = host_use_certificate;
	sv->host.put_status = host_put_status;
	sv->admin_settings.params = process_passwd_params(sv->config);
	sv->admin_settings.host = &sv->host;
	sv->admin_settings.queue = &sv->sending.settings;
	sv->control = (struct service){
		.name = "admin", .tls_mode = SERVICE_PLAIN,
		.maker = { admin_make, &sv->admin_settings },
		.admit = admit_control,
	};
	sv->control_listener = listener_start(sv->loop, &sv->process.env, fd,
	    &sv->control, &sv->limits);
	return 0;
}

static void
start_listeners(struct server *sv)
{
	for (size_t i = 0; i < sv->bound_count; i++) {
		struct bound *b = &sv->bound[i];

		b->listener = listener_start(sv->loop, &sv->process.env,
		    b->fd, services_find(sv->services, b->from->protocol,
		    b->from->tls), &sv->limits);
		b->fd = -1;
	}
}

/*
 * Descriptors that are not for peers: those open now (the lowest free one
 * tells), a spare for each listener, the control socket, and what the store
 * and commands will open.
 */
static unsigned
reserved_fds(const struct server *sv)
{
	int next = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (next >= 0)
		(void)close(next);
	return (unsigned)MAX(next, 0) + (unsigned)sv->bound_count + 2 +
	    FDS_TO_COME;
}

static void
init_limits(struct server *sv)
{
	const struct config *c = sv->config;
	struct conn_limits_settings set = {
		.total = conn_limits_total(c->connections, reserved_fds(sv)),
		.pending = c->connections_pending,
		.new_minute = c->connections_minute,
		.account = c->connections_account,
		.exempt = c->exempt,
		.exempt_count = c->exempt_count,
	};

	conn_limits_init(&sv->limits, &sv->process.env, &set);
	sv->limits.empty = peers_gone;
}

/* ---- the whole ---- */

/* Everything that may need root. */
static int
prepare(struct server *sv, struct buf *why)
{
	struct identity id;
	int err, fd;

	raise_descriptor_limit();
	log_init(&sv->process.log, clock_system(), 2);
	/* What is wrong for certain is said before anything is done. */
	if (geteuid() == 0 &&
	    (err = identity_find(sv->config->user, &id, why)) < 0)
		return err;
	if ((fd = open_log(sv->config, why)) < 0)
		return fd;
	use_log(sv, sv->config, fd);
	if ((err = bind_all(sv, why)) < 0)
		return err;
	certificates_init(&sv->certificates, random_system());
	if ((err = certificates_read(&sv->certificates, sv->config, why)) < 0)
		return err;
	return drop_root(sv, why);
}

/*
 * Once their handlers are gone, these would end the process before the store
 * is closed.
 */
static void
block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void
tear_down(struct server *sv)
{
	block_signals();
	loop_timer_stop(&sv->tick);
	loop_timer_stop(&sv->stop_timer);
	loop_signal_stop(&sv->term);
	loop_signal_stop(&sv->intr);
	loop_signal_stop(&sv->hup);
	stop_listening(sv);
	/* Closed handles are the loop's until its next round. */
	loop_run_once(sv->loop);
	dkim_keys_close(&sv->dkim_keys);
	sending_close(&sv->sending);
	outside_close(&sv->outside);
	work_pool_free(sv->work);
	process_close(&sv->process);
	conn_limits_release(&sv->limits);
	services_free(sv->services);
	loop_free(sv->loop);
}

static int
serve(struct server *sv, struct buf *why)
{
	int err;

	sv->loop = loop_new(clock_system(), &sv->process.stats);
	sv->work = work_pool_new(WORK_THREADS, WORK_QUEUE_MAX,
	    WORK_HEAVY_MAX);
	sv->process.env.home = loop_home(sv->loop);
	sv->process.env.work = work_pool_work(sv->work);
	if ((err = process_open(&sv->process, sv->config, false, why)) < 0) {
		work_pool_free(sv->work);
		loop_free(sv->loop);
		return err;
	}
	sv->started_s = env_wall_s(&sv->process.env);
	init_limits(sv);
	sending_configure(&sv->sending, sv->config);
	sv->services = services_new(sv->config, &sv->sending.settings);
	if ((err = read_stored_certificates(sv)) < 0)
		buf_printf(why, "cannot read the certificates in the store: "
		    "%s", err_text(err));
	if (err == 0 && (err = outside_open(&sv->outside, sv->loop,
	    &sv->process.env, sv->config, why)) == 0 &&
	    (err = use_certificates(sv, why)) == 0 &&
	    (err = start_control(sv, why)) == 0 &&
	    (err = start_signals(sv, why)) == 0) {
		start_listeners(sv);
		sending_open(&sv->sending, sv->loop, &sv->process.env);
		dkim_keys_open(&sv->dkim_keys, &sv->process.env);
		log_event(&sv->process.log, LOG_INFO, "server", "ready",
		    F_STR("version", KINGPOST_VERSION),
		    F_STR("hostname", sv->config->hostname));
		notify_send("READY=1");
		loop_run(sv->loop);
	}
	tear_down(sv);
	return err;
}

/* A configuration for tests must never serve anybody's mail. */
static int
check_testing(const struct config *c, bool is_testing, struct buf *why)
{
	if (!c->has_testing || is_testing)
		return 0;
	config_put_place(c, c->testing_place, why);
	buf_adds(why, "a testing section is for `serve --testing` only");
	return ERR_CONFIG;
}

int
server_run(const char *config_path, bool is_testing)
{
	struct server *sv = xcalloc(1, sizeof *sv);
	struct buf why = BUF_INIT;
	int err = ERR_CONFIG;

	(void)signal(SIGPIPE, SIG_IGN);
	sv->process.log.fd = -1;
	sv->config = config_read(config_path, &why);
	if (sv->config &&
	    (err = check_testing(sv->config, is_testing, &why)) == 0 &&
	    (err = prepare(sv, &why)) == 0)
		err = serve(sv, &why);
	if (err < 0)
		fprintf(stderr, "kingpost: %s\n", why.p);
	for (size_t i = 0; i < sv->bound_count; i++)
		if (sv->bound[i].fd >= 0)
			close(sv->bound[i].fd);
	if (err == 0)
		log_event(&sv->process.log, LOG_INFO, "server", "stopped");
	free(sv->bound);
	certificates_release(&sv->certificates);
	config_free(sv->config);
	buf_release(&why);
	free(sv);
	return err < 0 ? EXIT_REFUSED : EXIT_DONE;
}
