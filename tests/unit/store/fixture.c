#include "tests/unit/store/fixture.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "server/base/xalloc.h"

/* The sink has no context of its own: the log is the fixture's. */
static void
hear_log(struct log *l, enum log_level level, struct span line)
{
	struct fixture *f = CONTAINER_OF(l, struct fixture, log);

	if (level < LOG_ERROR)
		return;
	free(f->errors);
	f->errors = xmalloc(line.len + 1);
	memcpy(f->errors, line.p, line.len);
	f->errors[line.len] = '\0';
}

struct fixture *
fixture_bare(bool on_disk)
{
	struct fixture *f = xcalloc(1, sizeof *f);

	fake_clock_init(&f->clock, FIXTURE_NOW);
	seeded_random_init(&f->random, 1);
	log_init(&f->log, &f->clock.clock, -1);
	f->log.sink = hear_log;
	f->budget.limit = 64 << 20;
	post_init(&f->home, NULL);
	f->env = (struct env){ .clock = &f->clock.clock,
	    .random = &f->random.random, .log = &f->log, .stats = &f->stats,
	    .budget = &f->budget, .home = &f->home };
	store_settings_init(&f->settings);
	f->settings.is_inline = true;
	f->settings.in_memory = !on_disk;
	f->settings.reserve_bytes = 0;
	if (on_disk) {
		snprintf(f->dir, sizeof f->dir, "/tmp/kingpost-unit-XXXXXX");
		assert_non_null(mkdtemp(f->dir));
		f->settings.dir = f->dir;
	}
	return f;
}

static bool
hear(struct hub *hub, struct changeset *cs)
{
	struct fixture *f = (struct fixture *)(void *)hub;

	if (f->heard_count < COUNT(f->heard))
		f->heard[f->heard_count++] = changeset_ref(cs);
	return false;
}

void
fixture_open(struct fixture *f)
{
	struct buf why = BUF_INIT;
	int err = store_open(&f->store, &f->settings, &f->env, &why);

	if (err < 0)
		print_error("%s: %s\n", err_name(err), why.p);
	assert_int_equal(err, 0);
	buf_release(&why);
	f->env.store = f->store;
	/* The fixture plays the hub. */
	f->listener = store_listen(f->store, &f->home,
	    (struct hub *)(void *)f, hear);
}

void
fixture_settle(struct fixture *f)
{
	/* A store with threads needs no pump. */
	while ((f->settings.is_inline && store_pump(f->store)) ||
	    post_drain(&f->home))
		continue;
}

void
fixture_close(struct fixture *f)
{
	struct buf why = BUF_INIT;
	int breaches;

	if (!f->store)
		return;
	op_free(f->done);
	f->done = NULL;
	fixture_settle(f);
	breaches = store_check(f->store, &why);
	if (breaches != 0)
		print_error("%s", why.p);
	assert_int_equal(breaches, 0);
	buf_release(&why);
	store_unlisten(f->listener);
	store_close(f->store);
	f->store = f->env.store = NULL;
	post_drain(&f->home);
}

void
fixture_drop(struct fixture *f)
{
	op_free(f->done);
	f->done = NULL;
	fixture_settle(f);
	store_unlisten(f->listener);
	store_close(f->store);
	f->store = f->env.store = NULL;
	post_drain(&f->home);
	free(f->errors);
	f->errors = NULL;
}

void
fixture_remove_dir(const char *dir)
{
	static const char *const names[] = { "mail.db", "mail.db-wal",
	    "mail.db-shm", "reserve" };
	char path[128];

	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(dir);
}

void
fixture_free(struct fixture *f)
{
	fixture_close(f);
	fixture_deaf(f);
	if (f->errors)
		print_error("%s\n", f->errors);
	assert_null(f->errors);
	assert_int_equal(budget_used(&f->budget), 0);
	assert_int_equal(atomic_load(&f->budget.spooled), 0);
	if (f->dir[0])
		fixture_remove_dir(f->dir);
	post_release(&f->home);
	free(f);
}

static struct fixture *
furnished(bool on_disk)
{
	struct fixture *f = fixture_bare(on_disk);

	fixture_open(f);
	assert_int_equal(fixture_add_domain(f, "example.org"), 0);
	assert_int_equal(fixture_add_account(f, "ann@example.org"), 0);
	fixture_deaf(f);
	return f;
}

struct fixture *
fixture_new(void)
{
	return furnished(false);
}

struct fixture *
fixture_new_on_disk(void)
{
	return furnished(true);
}

/* The op comes home to the fixture instead of to a session. */

static void
came_home(struct op *op)
{
	struct fixture *f = CONTAINER_OF(op->home, struct fixture, home);

	f->done = op;
}

int
fixture_run(struct fixture *f, struct wreq *w)
{
	op_free(f->done);
	f->done = NULL;
	w->op.finish = came_home;
	store_submit(f->store, w);
	fixture_settle(f);
	assert_non_null(f->done);
	return f->done->err;
}

void
fixture_deaf(struct fixture *f)
{
	while (f->heard_count > 0)
		changeset_unref(f->heard[--f->heard_count]);
}

const struct change *
fixture_heard(struct fixture *f, enum change_kind kind, size_t i)
{
	for (size_t s = 0; s < f->heard_count; s++)
		for (size_t c = 0; c < f->heard[s]->n; c++)
			if (f->heard[s]->v[c].kind == kind && i-- == 0)
				return &f->heard[s]->v[c];
	return NULL;
}

int
fixture_add_domain(struct fixture *f, const char *name)
{
	struct wreq_domain *r = wreq_domain_new(&f->env, NULL);

	r->how = DIR_ADD;
	r->name = xstrdup(name);
	return fixture_run(f, &r->w);
}

int
fixture_add_account(struct fixture *f, const char *name)
{
	struct wreq_account *r = wreq_account_new(&f->env, NULL);

	r->how = ACCOUNT_HOW_ADD;
	r->name = xstrdup(name);
	r->salt_len = 16;
	r->iterations = 10000;
	r->cred.scope = 15;
	return fixture_run(f, &r->w);
}

uint64_t
fixture_account(struct fixture *f, const char *name)
{
	int64_t id;

	assert_int_equal(db_get(&f->store->db, &id, "SELECT id FROM account"
	    " WHERE name = ? AND state < 2", A_STR(name)), 0);
	return (uint64_t)id;
}

uint64_t
fixture_mailbox(struct fixture *f, const char *account, const char *name)
{
	struct mailbox_row row;

	assert_int_equal(mailbox_access_name(&f->store->db,
	    fixture_account(f, account), span_of(name), RIGHT_LOOKUP, &row),
	    0);
	return row.id;
}

struct mailbox_row
fixture_row(struct fixture *f, uint64_t mailbox)
{
	struct mailbox_row row;

	assert_int_equal(mailbox_access(&f->store->db, 0, mailbox,
	    RIGHT_LOOKUP, &row), 0);
	return row;
}

struct spool *
fixture_spool(struct fixture *f, const char *bytes)
{
	struct spool *s = spool_new(&f->env, 50 << 20);

	assert_int_equal(spool_add(s, bytes, strlen(bytes)), 0);
	assert_int_equal(spool_finish(s), 0);
	assert_false(spool_has_stages_out(s));
	return s;
}

uint32_t
fixture_deliver(struct fixture *f, const char *account, const char *bytes)
{
	struct wreq_deliver *r = wreq_deliver_new(&f->env, NULL);

	r->spool = fixture_spool(f, bytes);
	r->rcpts = xcalloc(1, sizeof *r->rcpts);
	r->rcpt_count = 1;
	r->rcpts[0].account = fixture_account(f, account);
	assert_int_equal(fixture_run(f, &r->w), 0);
	return r->rcpts[0].uid_r;
}

void
fixture_fill(struct fixture *f, uint64_t mailbox, unsigned count)
{
	struct wreq_append *r = wreq_append_new(&f->env, NULL);
	char text[64];

	r->mailbox = mailbox;
	r->msgs = xcalloc(count, sizeof *r->msgs);
	r->msg_count = count;
	for (unsigned i = 0; i < count; i++) {
		snprintf(text, sizeof text, "From: n%u@example.org\r\n\r\n%u\r\n",
		    i, i);
		r->msgs[i].spool = fixture_spool(f, text);
		r->msgs[i].internaldate_s = FIXTURE_NOW;
	}
	assert_int_equal(fixture_run(f, &r->w), 0);
}

int64_t
fixture_get(struct fixture *f, const char *sql)
{
	sqlite3_stmt *s;
	int64_t v;

	assert_int_equal(sqlite3_prepare_v2(f->store->db.h, sql, -1, &s,
	    NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	v = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return v;
}

char *
fixture_flags(struct fixture *f, uint64_t mailbox)
{
	struct buf out = BUF_INIT;
	sqlite3_stmt *s;
	int err;

	assert_int_equal(db_query(&f->store->db, &s, "SELECT uid, flags"
	    " FROM msg WHERE mailbox = ? ORDER BY uid", A_INT(mailbox)), 0);
	while ((err = db_step(&f->store->db, s)) > 0)
		buf_printf(&out, "%s%" PRIu64 ":%" PRIu64, out.len ? " " : "",
		    db_u64(s, 0), db_u64(s, 1));
	assert_int_equal(err, 0);
	return buf_take(&out);
}

struct uidset
fixture_uids(const uint32_t *pairs)
{
	struct uidset s = { 0 };

	for (; *pairs; pairs += 2)
		uidset_add(&s, pairs[0], pairs[1]);
	return s;
}
