#include "server/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"

int
identity_find(const char *name, struct identity *id, struct buf *why)
{
	const struct passwd *pw = getpwnam(name);

	if (!pw) {
		buf_printf(why, "there is no system user \"%s\" to run as; "
		    "make it with: adduser --system --group --no-create-home "
		    "%s", name, name);
		return ERR_NOUSER;
	}
	*id = (struct identity){ pw->pw_uid, pw->pw_gid };
	return 0;
}

int
identity_of_path(const char *path, struct identity *id, struct buf *why)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		buf_printf(why, "cannot look at %s: %s", path,
		    strerror(errno));
		return ERR_IO;
	}
	*id = (struct identity){ st.st_uid, st.st_gid };
	return 0;
}

int
identity_become(const struct identity *id, const char *name, struct buf *why)
{
	int failed = name ? initgroups(name, id->gid) :
	    setgroups(0, NULL);

	if (failed || setresgid(id->gid, id->gid, id->gid) < 0 ||
	    setresuid(id->uid, id->uid, id->uid) < 0) {
		buf_printf(why, "cannot become user %ld: %s", (long)id->uid,
		    strerror(errno));
		return ERR_DENIED;
	}
	if (id->uid != 0 && setuid(0) == 0) {
		buf_adds(why, "root could be had back after it was dropped");
		return ERR_DENIED;
	}
	return 0;
}

int
identity_give(const struct identity *id, const char *path, struct buf *why)
{
	if (lchown(path, id->uid, id->gid) == 0)
		return 0;
	buf_printf(why, "cannot give %s to user %ld: %s", path,
	    (long)id->uid, strerror(errno));
	return ERR_IO;
}

void
raise_descriptor_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return;
	rl.rlim_cur = MIN(rl.rlim_max, 65536);
	(void)setrlimit(RLIMIT_NOFILE, &rl);
}
