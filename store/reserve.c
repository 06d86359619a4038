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
#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/writer_priv.h"

#define RESERVE_NAME "reserve"
#define FREE_MIN (64u * 1024 * 1024)	/* LIMITS: free space needed */

static bool
has_reserve(const struct store *store)
{
	return faccessat(store->dir_fd, RESERVE_NAME, F_OK, 0) == 0;
}

/*
 * Bytes that mail could still take: the file system's and the database's own
 * free pages. UINT64_MAX when it cannot be told.
 */
static uint64_t
room(struct store *store, uint64_t *on_disk)
{
	struct statvfs fs;
	int64_t pages = 0;

	*on_disk = UINT64_MAX;
	if (fstatvfs(store->dir_fd, &fs) < 0)
		return UINT64_MAX;
	*on_disk = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (db_get(&store->db, &pages, "PRAGMA freelist_count") < 0)
		pages = 0;
	return *on_disk + (uint64_t)pages * DB_PAGE_SIZE;
}

static uint64_t
room_needed(const struct store *store)
{
	return MAX(2 * store->settings.size_limit, FREE_MIN);
}

/* Makes the file if it is not there. Whether it is now. */
static bool
make_reserve(struct store *store)
{
	off_t size = (off_t)store->settings.reserve_bytes;
	bool ok;
	int fd;

	if (size == 0 || has_reserve(store))
		return true;
	fd = openat(store->dir_fd, RESERVE_NAME, O_RDWR | O_CREAT | O_EXCL |
	    O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	ok = posix_fallocate(fd, 0, size) == 0 && fsync(fd) == 0;
	close(fd);
	if (!ok)
		(void)unlinkat(store->dir_fd, RESERVE_NAME, 0);
	return ok;
}

static void
set_full(struct store *store, bool full)
{
	if (atomic_exchange(&store->is_full, full) == full)
		return;
	log_event(store->env->log, full ? LOG_ERROR : LOG_INFO, "store",
	    full ? "disk-full" : "disk-has-room", F_STR("mail", full ?
	    "refused for now" : "taken again"));
}

/*
 * Judges the disk. Once full, there must be an eighth more than it takes, and
 * the reserve must stand: else each message would turn it over.
 */
static void
judge(struct store *store)
{
	uint64_t on_disk, have, need = room_needed(store);
	uint64_t reserve = store->settings.reserve_bytes;

	if (store->dir_fd < 0)
		return;
	have = room(store, &on_disk);
	if (!store_is_full(store)) {
		if (have < need)
			set_full(store, true);
		return;
	}
	if (!has_reserve(store) && reserve > 0) {
		if (have < reserve || on_disk < reserve ||
		    have - reserve < need + need / 8 ||
		    !make_reserve(store))
			return;
		have -= reserve;
	}
	if (have >= need + need / 8)
		set_full(store, false);
}

void
reserve_start(struct store *store)
{
	uint64_t on_disk;

	if (store->dir_fd < 0)
		return;
	if (room(store, &on_disk) >= store->settings.reserve_bytes +
	    room_needed(store))
		(void)make_reserve(store);
	/* Without it, it was given up before and there is no room yet. */
	if (store->settings.reserve_bytes > 0 && !has_reserve(store))
		set_full(store, true);
	judge(store);
}

void
reserve_tick(struct store *store)
{
	judge(store);
}

bool
reserve_give(struct store *store)
{
	set_full(store, true);
	if (store->dir_fd < 0 || store->settings.reserve_bytes == 0)
		return false;
	return unlinkat(store->dir_fd, RESERVE_NAME, 0) == 0;
}

bool
reserve_is_short(const struct store *store)
{
	return store_is_full(store);
}
