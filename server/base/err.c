#include "server/base/err.h"

#include <stddef.h>

static const struct {
	const char *name;
	const char *text;
} errs[] = {
#define X(name, text) { #name, text },
	ERR_LIST(X)
#undef X
};

static size_t
err_index(int err)
{
	return (size_t)((long)err - (ERR_NONE_ + 1));
}

const char *
err_name(int err)
{
	if (err == 0)
		return "OK";
	if (err_index(err) >= sizeof errs / sizeof *errs)
		return "ERR_UNKNOWN";
	return errs[err_index(err)].name;
}

const char *
err_text(int err)
{
	if (err == 0)
		return "no error";
	if (err_index(err) >= sizeof errs / sizeof *errs)
		return "unknown error";
	return errs[err_index(err)].text;
}
