/*
 * A VFS that fails on purpose, between SQLite and the system's own.
 *
 * Power loss: beside the files it keeps what would be on the disk's platter,
 * that is, only what was synced. Before the die_at-th sync the power goes:
 * from then on every call fails, and shim_dump writes the platter to another
 * folder. With torn, sectors of what was not synced survive here and there,
 * in any order, as they do when a disk has begun to write.
 *
 * Trouble: writes fail with a result code of choice.
 *
 * One at a time, one thread.
 */
#ifndef TESTS_CRASH_SHIM_H
#define TESTS_CRASH_SHIM_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#define SHIM_NAME "shim"

struct shim {
	sqlite3_vfs vfs;		/* first */
	sqlite3_vfs *real;
	struct shim_image *images[2];	/* the database, its log */
	unsigned syncs;			/* so far */
	unsigned die_at;		/* 0: never */
	bool dead;
	uint64_t torn;			/* seed; 0: nothing survives */
	/* Writes fail with this while it is not 0. */
	int fail_rc;
	/* And only those that would make a file longer than it ever was. */
	bool fail_growth_only;
	unsigned failed;		/* writes that did */
};

/* Registers it as SHIM_NAME; shim_release unregisters. */
void shim_init(struct shim *s);
void shim_release(struct shim *s);

/* Writes what is on the platter as dir/mail.db and dir/mail.db-wal. */
void shim_dump(struct shim *s, const char *dir);

#endif
