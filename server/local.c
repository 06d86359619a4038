#include "server/local.h"

#include <stdio.h>
#include <unistd.h>

#include "server/admin.h"
#include "server/base/err.h"
#include "server/base/list.h"
#include "server/base/xalloc.h"
#include "server/certificates.h"
#include "server/privileges.h"
#include "server/process.h"
#include "server/sending.h"

struct local {
	struct process process;
	struct post home;
	struct work work;
	struct admin_host host;
	struct admin_settings settings;
	struct sending sending;		/* its settings alone */
	struct session *session;
	struct buf out;
};

static int
work_here(struct work *w, struct job *j)
{
	(void)w;
	j->run(j);
	op_complete(&j->op, j->op.err);
	return 0;
}

static void
nothing_to_do(struct session *s)
{
	(void)s;
}

static const struct session_driver local_driver = { nothing_to_do };

/* There is nobody to use it now; it is checked, and stored for the start. */
static int
check_certificate(struct admin_host *host, struct span chain, struct span key,
    char *name, size_t name_size, int64_t *not_after_s, struct buf *why)
{
	(void)host;
	return certificates_check(random_system(), chain, key, name,
	    name_size, not_after_s, why);
}

static void
put_not_running(struct admin_host *host, json_t *row)
{
	(void)host;
	json_object_set_new(row, "running", json_false());
}

static void
flush(struct local *l, struct local_sink *sink)
{
	if (l->out.len)
		sink->take(sink, &l->out);
	buf_clear(&l->out);
}

/* Feeds the request and runs everything until the session wants to close. */
static void
drive(struct local *l, struct span request, struct local_sink *sink)
{
	struct session *s = l->session;

	s->ops->start(s);
	while (s->want != WANT_CLOSE) {
		bool busy = false;

		if (s->want == WANT_INPUT && request.len) {
			size_t n = s->ops->input(s, request.p, request.len);

			request = span_from(request, n);
			busy = n > 0;
		} else if (s->want == WANT_DRAIN) {
			flush(l, sink);
			s->ops->drained(s);
			busy = true;
		}
		busy |= store_pump(l->process.store);
		busy |= post_drain(&l->home);
		if (!busy)
			break;
	}
	flush(l, sink);
}

static int
become_owner(const struct config *c, struct buf *why)
{
	struct identity id;
	int err;

	if (geteuid() != 0 || access(c->data_dir, F_OK) < 0)
		return 0;
	if ((err = identity_of_path(c->data_dir, &id, why)) < 0 || id.uid == 0)
		return err;
	return identity_become(&id, NULL, why);
}

int
local_run(const struct config *c, struct span request,
    struct local_sink *sink, struct buf *why)
{
	struct local *l;
	int err = become_owner(c, why);

	if (err < 0)
		return err;
	l = xcalloc(1, sizeof *l);
	buf_init(&l->out);
	post_init(&l->home, NULL);
	log_init(&l->process.log, clock_system(), 2);
	l->process.log.level = LOG_WARN;
	l->work.submit = work_here;
	l->process.env.home = &l->home;
	l->process.env.work = &l->work;
	if ((err = process_open(&l->process, c, true, why)) == 0) {
		l->host.use_certificate = check_certificate;
		l->host.put_status = put_not_running;
		l->settings.params = process_passwd_params(c);
		l->settings.host = &l->host;
		sending_configure(&l->sending, c);
		l->settings.queue = &l->sending.settings;
		l->session = admin_make(&l->process.env, &l->settings);
		l->session->out = &l->out;
		l->session->driver = &local_driver;
		drive(l, request, sink);
		session_disown_ops(l->session);
		l->session->ops->end(l->session);
		process_close(&l->process);
	}
	post_release(&l->home);
	buf_release(&l->out);
	free(l);
	return err;
}
