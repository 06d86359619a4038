#include "auth/sasl_priv.h"

#include "auth/secret_priv.h"

enum { WANT_USER, WANT_PASSWORD };

/*
 * draft-murchison-sasl-login: the name, then the password, each a message of
 * its own. The draft has no initial response; Outlook sends the name as one.
 */
enum sasl_step
sasl_login_message(struct sasl *s, struct span m)
{
	if (m.len == 0 || span_chr(m, '\0'))
		return sasl_bad(s, "not a LOGIN message");
	if (s->state == WANT_USER) {
		secret_set(&s->user, m);
		s->state = WANT_PASSWORD;
		buf_adds(&s->out, "Password:");
		return SASL_CONTINUE;
	}
	secret_set(&s->password, m);
	return SASL_PASSWORD;
}
