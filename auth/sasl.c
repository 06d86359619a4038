#include "auth/sasl.h"

#include <assert.h>

#include "auth/sasl_priv.h"
#include "auth/secret_priv.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"

static const struct sasl_ops mechs[SASL_MECH_COUNT] = {
	[SASL_PLAIN] = { "PLAIN", "", sasl_plain_message, NULL },
	/*
	 * The draft leaves the prompts' text to the server, but there are
	 * clients that know these two only.
	 */
	[SASL_LOGIN] = { "LOGIN", "Username:", sasl_login_message, NULL },
	[SASL_SCRAM] = { "SCRAM-SHA-256", "", sasl_scram_message,
	    sasl_scram_account },
	[SASL_SCRAM_PLUS] = { "SCRAM-SHA-256-PLUS", "", sasl_scram_message,
	    sasl_scram_account },
};

const char *
sasl_mech_name(enum sasl_mech mech)
{
	return mechs[mech].name;
}

bool
sasl_mech_find(struct span name, enum sasl_mech *mech)
{
	for (size_t i = 0; i < COUNT(mechs); i++) {
		if (span_iis(name, mechs[i].name)) {
			*mech = (enum sasl_mech)i;
			return true;
		}
	}
	return false;
}

void
sasl_init(struct sasl *s, enum sasl_mech mech, const struct peer *peer,
    struct random *random, bool has_plus)
{
	*s = (struct sasl){ .mech = mech, .peer = peer, .random = random,
	    .has_plus = has_plus };
	buf_init(&s->user);
	buf_init(&s->password);
	buf_init(&s->out);
	buf_init(&s->scram.gs2);
	buf_init(&s->scram.first_bare);
	buf_init(&s->scram.nonce);
	buf_init(&s->scram.server_first);
}

void
sasl_release(struct sasl *s)
{
	secret_release(&s->user);
	secret_release(&s->password);
	secret_release(&s->out);
	secret_release(&s->scram.gs2);
	secret_release(&s->scram.first_bare);
	secret_release(&s->scram.nonce);
	secret_release(&s->scram.server_first);
	s->account = NULL;
}

enum sasl_step
sasl_start(struct sasl *s)
{
	buf_clear(&s->out);
	buf_adds(&s->out, mechs[s->mech].prompt);
	return SASL_CONTINUE;
}

enum sasl_step
sasl_message(struct sasl *s, struct span message)
{
	buf_clear(&s->out);
	if (message.len > SASL_MESSAGE_MAX)
		return sasl_bad(s, "message too long");
	return mechs[s->mech].message(s, message);
}

enum sasl_step
sasl_account(struct sasl *s, const struct cred_account *a)
{
	assert(mechs[s->mech].account);
	s->account = a;
	return mechs[s->mech].account(s, a);
}

enum sasl_step
sasl_bad(struct sasl *s, const char *error)
{
	s->error = error;
	return SASL_BAD;
}

bool
sasl_may_act_as(const struct sasl *s, struct span authzid)
{
	struct buf user = BUF_INIT, other = BUF_INIT;
	bool same;

	if (authzid.len == 0)
		return true;
	same = utf8_prepare_name(&user, buf_span(&s->user)) == 0 &&
	    utf8_prepare_name(&other, authzid) == 0 &&
	    span_eq(buf_span(&user), buf_span(&other));
	buf_release(&user);
	buf_release(&other);
	return same;
}
