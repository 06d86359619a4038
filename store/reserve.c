/*
 * Room for the requests that make room.
 *
 * On a full disk even a large expunge needs pages for its log, and so does
 * the checkpoint after it: without help both fail for ever. So a file of
 * reserve_bytes is kept, allocated for real. The first SQLITE_FULL unlinks
 * it, and from then on only requests that free or flag are taken, until there
 * is room again; then it is made anew before anything else.
 *
 * It is kept until SQLite has really met the end of the disk: given up any
 * earlier, its room would only go to whoever else is filling the disk.
 *
 * Thread: the writer's.
 */
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/writer_priv.h"

#define RESERVE_NAME "reserve"
#define FREE_MIN (64u * 1024 * 1024)	/* LIMITS: free space needed */

/*
 * On a small file system the two would leave little for mail: there they are
 * at most these shares of it.
 */
#define NEED_SHARE 16
#define RESERVE_SHARE 8

/* The disk as it is now; bytes. */
struct room {
	uint64_t on_disk;	/* free in the file system */
	uint64_t free;		/* and in the database's own free pages */
	uint64_t need;		/* below this, mail is refused */
	uint64_t reserve;	/* what the reserve is to be */
	bool has_reserve;
};

static bool
has_reserve(const struct store *store)
{
	return faccessat(store->dir_fd, RESERVE_NAME, F_OK, 0) == 0;
}

/* False if there is no disk, or it does not tell. */
static bool
measure(struct store *store, struct room *r)
{
	const struct store_settings *set = &store->settings;
	struct statvfs fs;
	int64_t pages;
	uint64_t size;

	if (store->dir_fd < 0 || fstatvfs(store->dir_fd, &fs) < 0)
		return false;
	if (db_get(&store->db, &pages, "PRAGMA freelist_count") < 0)
		pages = 0;
	size = (uint64_t)fs.f_blocks * fs.f_frsize;
	r->on_disk = (uint64_t)fs.f_bavail * fs.f_frsize;
	r->free = r->on_disk + (uint64_t)pages * DB_PAGE_SIZE;
	r->need = MIN(MAX(2 * set->size_limit, FREE_MIN), size / NEED_SHARE);
	r->reserve = MIN(set->reserve_bytes, size / RESERVE_SHARE);
	r->has_reserve = r->reserve == 0 || has_reserve(store);
	return true;
}

/*
 * What must be free for mail to be taken again: an eighth more than it takes
 * to be refused, and the reserve. Else each message would turn it over.
 */
static uint64_t
enough(const struct room *r)
{
	return r->need + r->need / 8 + (r->has_reserve ? 0 : r->reserve);
}

static bool
make_reserve(struct store *store, uint64_t size)
{
	bool ok;
	int fd;

	fd = openat(store->dir_fd, RESERVE_NAME, O_RDWR | O_CREAT | O_EXCL |
	    O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	ok = posix_fallocate(fd, 0, (off_t)size) == 0 && fsync(fd) == 0;
	close(fd);
	if (!ok)
		(void)unlinkat(store->dir_fd, RESERVE_NAME, 0);
	return ok;
}

static void
set_full(struct store *store, bool full)
{
	int grow = full ? 0 : DB_GROW_BYTES;

	if (atomic_exchange(&store->is_full, full) == full)
		return;
	/* Every page counts now: no room ahead, and none kept at the end. */
	sqlite3_file_control(store->db.h, "main", SQLITE_FCNTL_CHUNK_SIZE,
	    &grow);
	log_event(store->env->log, full ? LOG_ERROR : LOG_INFO, "store",
	    full ? "disk-full" : "disk-has-room", F_STR("mail", full ?
	    "refused for now" : "taken again"));
}

void
reserve_tick(struct store *store)
{
	struct room r;

	if (!measure(store, &r))
		return;
	if (!store_is_full(store)) {
		if (r.free < r.need)
			set_full(store, true);
		return;
	}
	if (r.free < enough(&r))
		return;
	/* Made again before anything else. */
	if (!r.has_reserve && (r.on_disk < r.reserve ||
	    !make_reserve(store, r.reserve)))
		return;
	set_full(store, false);
}

void
reserve_start(struct store *store)
{
	struct room r;

	if (!measure(store, &r))
		return;
	if (!r.has_reserve && r.on_disk >= enough(&r))
		r.has_reserve = make_reserve(store, r.reserve);
	/* Without it: it was given up before, and there is no room yet. */
	if (!r.has_reserve || r.free < r.need)
		set_full(store, true);
}

bool
reserve_spend(struct store *store)
{
	return store->dir_fd >= 0 &&
	    unlinkat(store->dir_fd, RESERVE_NAME, 0) == 0;
}

bool
reserve_give(struct store *store)
{
	set_full(store, true);
	return reserve_spend(store);
}

bool
reserve_is_short(struct store *store)
{
	struct room r;

	return store_is_full(store) && measure(store, &r) &&
	    r.free < enough(&r);
}
