#include "imap/targets.h"

void
targets_release(struct targets *t)
{
	uidset_release(&t->uids);
	*t = (struct targets){ 0 };
}

bool
targets_next(struct targets *t, const struct view *v, uint32_t *seq,
    struct msgrow *row)
{
	uint32_t count = view_count(v);

	while (t->range < t->uids.n) {
		const struct uidrange *r = &t->uids.v[t->range];

		if (t->uid < r->lo)
			t->uid = r->lo;
		*seq = t->seq ? t->seq + 1 : view_seek_uid(v, t->uid);
		if (*seq > count)
			return false;
		t->is_ghost = view_get(v, *seq, row);
		if (row->uid >= t->uid && row->uid <= r->hi) {
			t->seq = *seq;
			t->uid = row->uid + 1;
			if (row->uid == r->hi)
				t->range++;
			return true;
		}
		t->seq = 0;
		/* A neighbour that lies before the range is no answer. */
		if (row->uid > r->hi)
			t->range++;
	}
	return false;
}
