#include "tests/crash/shim.h"

#include <fcntl.h>
#include <unistd.h>

#include "server/base/xalloc.h"
#include "tests/check.h"

#define SECTOR 512

/* A write or, with len 0, a truncation to off, since the last sync. */
struct pending {
	struct pending *next;
	int64_t off;
	size_t len;
	char bytes[];
};

struct shim_image {
	char *bytes;
	size_t size, cap;
	struct pending *head, **tail;
	int64_t longest;		/* the file ever was */
};

struct shim_file {
	sqlite3_file base;		/* first */
	struct shim *shim;
	struct shim_image *image;	/* NULL: not one we keep */
	sqlite3_file *real;
};

static struct shim_file *
self(sqlite3_file *f)
{
	return (struct shim_file *)f;
}

/* ---- the platter ---- */

static void
image_resize(struct shim_image *im, size_t size)
{
	if (size > im->cap) {
		im->cap = size + size / 2;
		im->bytes = xrealloc(im->bytes, im->cap);
	}
	if (size > im->size)
		memset(im->bytes + im->size, 0, size - im->size);
	im->size = size;
}

static void
image_write(struct shim_image *im, int64_t off, const char *p, size_t len)
{
	if ((size_t)off + len > im->size)
		image_resize(im, (size_t)off + len);
	memcpy(im->bytes + off, p, len);
}

static void
image_note(struct shim_image *im, int64_t off, const void *p, size_t len)
{
	struct pending *w = xmalloc(sizeof *w + len);

	w->next = NULL;
	w->off = off;
	w->len = len;
	if (len)
		memcpy(w->bytes, p, len);
	*im->tail = w;
	im->tail = &w->next;
}

static void
image_forget(struct shim_image *im)
{
	for (struct pending *w = im->head, *next; w; w = next) {
		next = w->next;
		free(w);
	}
	im->head = NULL;
	im->tail = &im->head;
}

static void
image_sync(struct shim_image *im)
{
	for (struct pending *w = im->head; w; w = w->next) {
		if (w->len)
			image_write(im, w->off, w->bytes, w->len);
		else
			image_resize(im, (size_t)w->off);
	}
	image_forget(im);
}

/* xorshift: the same survivors for the same seed. */
static bool
survives(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed >> 63;
}

static void
image_tear(struct shim_image *im, uint64_t *seed)
{
	for (struct pending *w = im->head; w; w = w->next) {
		if (!w->len && survives(seed))
			image_resize(im, (size_t)w->off);
		for (size_t at = 0; at < w->len; at += SECTOR)
			if (survives(seed))
				image_write(im, w->off + (int64_t)at,
				    w->bytes + at, MIN(SECTOR, w->len - at));
	}
}

/* ---- files ---- */

static int
shim_close(sqlite3_file *f)
{
	return self(f)->real->pMethods->xClose(self(f)->real);
}

static int
shim_read(sqlite3_file *f, void *p, int n, sqlite3_int64 off)
{
	if (self(f)->shim->dead)
		return SQLITE_IOERR_READ;
	return self(f)->real->pMethods->xRead(self(f)->real, p, n, off);
}

static bool
fails(struct shim_file *f, int64_t end)
{
	struct shim *s = f->shim;

	if (s->fail_rc == 0 || !f->image ||
	    (s->fail_growth_only && end <= f->image->longest))
		return false;
	s->failed++;
	return true;
}

static int
shim_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 off)
{
	struct shim_file *f = self(file);

	if (f->shim->dead)
		return SQLITE_IOERR_WRITE;
	if (fails(f, off + n))
		return f->shim->fail_rc;
	if (f->image) {
		image_note(f->image, off, p, (size_t)n);
		f->image->longest = MAX(f->image->longest, off + n);
	}
	return f->real->pMethods->xWrite(f->real, p, n, off);
}

static int
shim_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct shim_file *f = self(file);

	if (f->shim->dead)
		return SQLITE_IOERR_TRUNCATE;
	if (f->image)
		image_note(f->image, size, NULL, 0);
	return f->real->pMethods->xTruncate(f->real, size);
}

static int
shim_sync(sqlite3_file *file, int flags)
{
	struct shim_file *f = self(file);
	struct shim *s = f->shim;

	(void)flags;
	if (s->dead || ++s->syncs == s->die_at) {
		s->dead = true;
		return SQLITE_IOERR_FSYNC;
	}
	/* The real disk need not work: the platter is what counts. */
	if (f->image)
		image_sync(f->image);
	return SQLITE_OK;
}

static int
shim_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return self(f)->real->pMethods->xFileSize(self(f)->real, size);
}

static int
shim_lock(sqlite3_file *f, int level)
{
	return self(f)->real->pMethods->xLock(self(f)->real, level);
}

static int
shim_unlock(sqlite3_file *f, int level)
{
	return self(f)->real->pMethods->xUnlock(self(f)->real, level);
}

static int
shim_check_lock(sqlite3_file *f, int *out)
{
	return self(f)->real->pMethods->xCheckReservedLock(self(f)->real,
	    out);
}

static int
shim_control(sqlite3_file *f, int op, void *arg)
{
	return self(f)->real->pMethods->xFileControl(self(f)->real, op, arg);
}

static int
shim_sector(sqlite3_file *f)
{
	return self(f)->real->pMethods->xSectorSize(self(f)->real);
}

static int
shim_traits(sqlite3_file *f)
{
	return self(f)->real->pMethods->xDeviceCharacteristics(
	    self(f)->real);
}

static int
shim_shm_map(sqlite3_file *f, int page, int size, int extend,
    void volatile **out)
{
	return self(f)->real->pMethods->xShmMap(self(f)->real, page, size,
	    extend, out);
}

static int
shim_shm_lock(sqlite3_file *f, int off, int n, int flags)
{
	return self(f)->real->pMethods->xShmLock(self(f)->real, off, n,
	    flags);
}

static void
shim_shm_barrier(sqlite3_file *f)
{
	self(f)->real->pMethods->xShmBarrier(self(f)->real);
}

static int
shim_shm_unmap(sqlite3_file *f, int del)
{
	return self(f)->real->pMethods->xShmUnmap(self(f)->real, del);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = shim_close,
	.xRead = shim_read,
	.xWrite = shim_write,
	.xTruncate = shim_truncate,
	.xSync = shim_sync,
	.xFileSize = shim_size,
	.xLock = shim_lock,
	.xUnlock = shim_unlock,
	.xCheckReservedLock = shim_check_lock,
	.xFileControl = shim_control,
	.xSectorSize = shim_sector,
	.xDeviceCharacteristics = shim_traits,
	.xShmMap = shim_shm_map,
	.xShmLock = shim_shm_lock,
	.xShmBarrier = shim_shm_barrier,
	.xShmUnmap = shim_shm_unmap
};

/* ---- the VFS ---- */

static struct shim_image *
image_of(struct shim *s, int flags)
{
	size_t i = flags & SQLITE_OPEN_MAIN_DB ? 0 : 1;

	if (!(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)))
		return NULL;
	if (!s->images[i]) {
		s->images[i] = xcalloc(1, sizeof *s->images[i]);
		s->images[i]->tail = &s->images[i]->head;
	}
	return s->images[i];
}

static int
shim_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file,
    int flags, int *out)
{
	struct shim *s = (struct shim *)vfs;
	struct shim_file *f = self(file);
	int rc;

	*f = (struct shim_file){ .shim = s, .image = image_of(s, flags) };
	f->real = (sqlite3_file *)(f + 1);
	rc = s->real->xOpen(s->real, name, f->real, flags, out);
	if (rc == SQLITE_OK)
		f->base.pMethods = &methods;
	return rc;
}

void
shim_init(struct shim *s)
{
	*s = (struct shim){ .real = sqlite3_vfs_find(NULL) };
	s->vfs = *s->real;
	s->vfs.zName = SHIM_NAME;
	s->vfs.szOsFile = (int)sizeof(struct shim_file) + s->real->szOsFile;
	s->vfs.xOpen = shim_open;
	assert_int_equal(sqlite3_vfs_register(&s->vfs, 0), SQLITE_OK);
}

void
shim_release(struct shim *s)
{
	sqlite3_vfs_unregister(&s->vfs);
	for (size_t i = 0; i < COUNT(s->images); i++) {
		if (!s->images[i])
			continue;
		image_forget(s->images[i]);
		free(s->images[i]->bytes);
		free(s->images[i]);
	}
}

void
shim_dump(struct shim *s, const char *dir)
{
	static const char *const names[] = { "mail.db", "mail.db-wal" };
	char path[128];
	int fd;

	for (size_t i = 0; i < COUNT(s->images); i++) {
		struct shim_image *im = s->images[i];

		if (!im)
			continue;
		if (s->torn)
			image_tear(im, &s->torn);
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, im->bytes, im->size), im->size);
		close(fd);
	}
}
