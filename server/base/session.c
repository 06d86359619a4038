#include "server/base/session.h"

void
session_init(struct session *s, const struct session_ops *ops,
    struct env *env)
{
	*s = (struct session){ .ops = ops, .env = env, .want = WANT_INPUT };
	list_init(&s->ops_out);
}

void
session_disown_ops(struct session *s)
{
	LIST_FOREACH(node, &s->ops_out)
		op_disown(CONTAINER_OF(node, struct op, by_owner));
}

void
session_changed(struct session *s, struct changeset *cs)
{
	s->ops->changed(s, cs);
	if (s->driver)
		s->driver->ready(s);
}
