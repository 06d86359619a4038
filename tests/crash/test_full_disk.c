/*
 * A file system of 256 MiB, filled to the last block.
 *
 * It is a tmpfs of our own, in a mount namespace of our own where that is
 * allowed; else the test is skipped (test_trouble.c plays the same without).
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "server/base/xalloc.h"
#include "store/message_priv.h"
#include "tests/unit/store/fixture.h"

#define MESSAGES 10000
#define BATCH 500

static void
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		print_message("%s cannot be written\n", path);
	close(fd);
}

/* As nobody, one may mount in a name space where one is root. */
static bool
own_namespace(void)
{
	char map[64];
	uid_t uid = getuid();
	gid_t gid = getgid();

	if (unshare(CLONE_NEWNS) == 0)
		return true;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "0 %u 1", (unsigned)uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof map, "0 %u 1", (unsigned)gid);
	write_file("/proc/self/gid_map", map);
	return true;
}

static bool
mount_small(const char *dir)
{
	if (!own_namespace())
		return false;
	(void)mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	return mount("tmpfs", dir, "tmpfs", 0, "size=256m") == 0;
}

/* Writes until nothing more fits. */
static void
fill(const char *dir)
{
	static char block[65536];
	char path[128];
	size_t size = sizeof block;
	int fd;

	snprintf(path, sizeof path, "%s/filler", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	while (size > 0) {
		ssize_t n = write(fd, block, size);

		if (n <= 0)
			size /= 2;
	}
	close(fd);
}

static int
deliver_one(struct fixture *f)
{
	struct wreq_deliver *r = wreq_deliver_new(&f->env, NULL);

	r->spool = fixture_spool(f, "Subject: x\r\n\r\n");
	r->rcpts = xcalloc(1, sizeof *r->rcpts);
	r->rcpt_count = 1;
	r->rcpts[0].account = fixture_account(f, "ann@example.org");
	return fixture_run(f, &r->w);
}

static void
tick(struct fixture *f)
{
	store_tick(f->store);
	fixture_settle(f);
}

static void
append_batch(struct fixture *f, uint64_t mailbox)
{
	struct wreq_append *r = wreq_append_new(&f->env, NULL);
	char text[5001];

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	r->mailbox = mailbox;
	r->msgs = xcalloc(BATCH, sizeof *r->msgs);
	r->msg_count = BATCH;
	for (size_t i = 0; i < BATCH; i++)
		r->msgs[i].spool = fixture_spool(f, text);
	CHECK_EQ(fixture_run(f, &r->w), 0);
}

static int
flag_all(struct fixture *f, uint64_t mailbox)
{
	struct wreq_flags *r = wreq_flags_new(&f->env, NULL);

	r->mailbox = mailbox;
	r->uids = UIDS(1, UINT32_MAX);
	r->flags = FLAG_DELETED;
	return fixture_run(f, &r->w);
}

static int
copy_all(struct fixture *f, uint64_t from, uint64_t to, bool move)
{
	struct wreq_copy *r = wreq_copy_new(&f->env, NULL);

	r->mailbox = from;
	r->target = to;
	r->uids = UIDS(1, 100);
	r->move = move;
	return fixture_run(f, &r->w);
}

static int
expunge_all(struct fixture *f, uint64_t mailbox)
{
	struct wreq_expunge *r = wreq_expunge_new(&f->env, NULL);

	r->mailbox = mailbox;
	r->all = true;
	r->only_deleted = true;
	return fixture_run(f, &r->w);
}

static void
check_full_disk(struct fixture *f)
{
	uint64_t inbox = fixture_mailbox(f, "ann@example.org", "INBOX");
	uint64_t trash = fixture_mailbox(f, "ann@example.org", "Trash");

	for (int i = 0; i < MESSAGES / BATCH; i++)
		append_batch(f, inbox);
	fill(f->dir);
	tick(f);
	CHECK(store_is_full(f->store));
	CHECK_EQ(deliver_one(f), ERR_FULL);
	CHECK_EQ(copy_all(f, inbox, trash, false), ERR_FULL);
	fill(f->dir);
	/* From here on the reserve is what it lives on. */
	CHECK_EQ(flag_all(f, inbox), 0);
	CHECK_EQ(copy_all(f, inbox, trash, true), 0);
	CHECK_EQ(expunge_all(f, inbox), 0);
	CHECK_EQ(fixture_row(f, inbox).messages, 0);
	/* Nobody waits a month for undelete on a full disk. */
	for (int i = 0; i < 3; i++)
		tick(f);
	CHECK(!store_is_full(f->store));
	CHECK_EQ(deliver_one(f), 0);
}

/* A store on a file system of its own; skips the test where there is none. */
static struct fixture *
small_disk(void)
{
	struct fixture *f = fixture_bare(true);

	if (!mount_small(f->dir)) {
		fixture_free(f);
		skip();
	}
	store_settings_init(&f->settings);
	f->settings.is_inline = true;
	f->settings.dir = f->dir;
	fixture_open(f);
	CHECK_EQ(fixture_add_domain(f, "example.org"), 0);
	CHECK_EQ(fixture_add_account(f, "ann@example.org"), 0);
	return f;
}

static void
small_disk_free(struct fixture *f)
{
	char filler[128];

	fixture_close(f);
	free(f->errors);	/* that the disk is full is one */
	f->errors = NULL;
	snprintf(filler, sizeof filler, "%s/filler", f->dir);
	(void)unlink(filler);
	CHECK_EQ(umount2(f->dir, MNT_DETACH), 0);
	fixture_free(f);
}

TEST(test_full_disk_expunges_and_takes_mail_again_without_a_restart)
{
	struct fixture *f = small_disk();

	check_full_disk(f);
	small_disk_free(f);
}

static void
came_home(struct op *op)
{
	CHECK_EQ(op->err, 0);
	op_free(op);
}

/* As a message that is being received when the process is killed. */
static void
stage_chunk(struct fixture *f)
{
	struct wreq_stage *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_STAGE, &f->env, NULL, came_home);
	r->w.op.finish = came_home;
	r->w.op.free = (void (*)(struct op *))free;
	r->env = &f->env;
	r->bytes = f->dir;
	r->len = 3;
	store_submit(f->store, &r->w);
	fixture_settle(f);
}

/* Nothing may be left that a start needs room for. */
TEST(test_full_disk_starts_and_expunges)
{
	struct fixture *f = small_disk();
	uint64_t inbox = fixture_mailbox(f, "ann@example.org", "INBOX");

	for (int i = 0; i < MESSAGES / BATCH; i++)
		append_batch(f, inbox);
	stage_chunk(f);
	fill(f->dir);
	tick(f);
	CHECK(store_is_full(f->store));
	CHECK_EQ(flag_all(f, inbox), 0);
	for (int i = 0; i < 3; i++) {
		fill(f->dir);
		fixture_close(f);
		fill(f->dir);
		fixture_open(f);
		CHECK(store_is_full(f->store));
		CHECK_EQ(deliver_one(f), ERR_FULL);
	}
	CHECK_EQ(expunge_all(f, inbox), 0);
	for (int i = 0; i < 3; i++)
		tick(f);
	CHECK(!store_is_full(f->store));
	CHECK_EQ(deliver_one(f), 0);
	small_disk_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_full_disk_expunges_and_takes_mail_again_without_a_restart),
		cmocka_unit_test(test_full_disk_starts_and_expunges)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
