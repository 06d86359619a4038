/*
 * The control protocol, one request a session: whatever comes, the answer is
 * lines of JSON that end in "done" or "error", and where the input is split
 * changes nothing.
 */
#include <assert.h>
#include <jansson.h>

#include "server/admin.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "tests/fuzz/pair.h"
#include "tests/protos.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
setup(struct world *w)
{
	world_add_user(w, "ann@example.org", "pw");
	world_add_user(w, "bob@example.org", "pw");
}

/* The first byte chooses how a request begins. */
static const char *const beginnings[] = {
	"", "user ", "user add ", "device add ann@example.org ", "alias add ",
	"alias refuse ", "domain add ", "user list\r\n", "alias list\r\n",
	"user passwd ann@example.org {4}\r\n", "cert load {2} {2}\r\n",
};

/* Whole lines, each an object; the last of an ended session says how. */
static void
check_answer(struct span out)
{
	while (out.len) {
		const char *nl = span_chr(out, '\n');
		json_t *j;

		assert(nl);
		j = json_loadb(out.p, (size_t)(nl - out.p), 0, NULL);
		assert(json_is_object(j));
		assert(json_object_get(j, "row") || json_object_get(j, "note")
		    || json_object_get(j, "done") ||
		    json_object_get(j, "error") ||
		    json_object_get(j, "progress"));
		json_decref(j);
		out = span_from(out, (size_t)(nl + 1 - out.p));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pair pair = { .setup = setup };
	struct buf out = BUF_INIT;

	if (size == 0)
		return 0;
	pair_run(&pair, protos_find(SPAN("admin")),
	    beginnings[data[0] % COUNT(beginnings)], data + 1, size - 1, &out);
	check_answer(buf_span(&out));
	buf_release(&out);
	return 0;
}
