#include "auth/sasl_priv.h"

#include "auth/secret_priv.h"
#include "server/base/cursor.h"
#include "server/base/utf8.h"

/*
 * RFC 4616 section 2: [authzid] NUL authcid NUL passwd, in UTF-8. Neither the
 * second nor the third may be empty, and NUL is nowhere else.
 */
enum sasl_step
sasl_plain_message(struct sasl *s, struct span m)
{
	struct cursor c = cursor_of_span(m);
	struct span authzid, user, password;

	authzid = cursor_until(&c, '\0');
	if (!cursor_skip(&c, '\0'))
		return sasl_bad(s, "not a PLAIN message");
	user = cursor_until(&c, '\0');
	if (!cursor_skip(&c, '\0'))
		return sasl_bad(s, "not a PLAIN message");
	password = span_make(c.p, cursor_left(&c));
	if (user.len == 0 || password.len == 0 || span_chr(password, '\0') ||
	    !utf8_is_valid(m))
		return sasl_bad(s, "not a PLAIN message");

	secret_set(&s->user, user);
	if (!sasl_may_act_as(s, authzid)) {
		s->error = "may not act for somebody else";
		return SASL_WRONG;
	}
	secret_set(&s->password, password);
	return SASL_PASSWORD;
}
