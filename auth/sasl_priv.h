/*
 * What a mechanism is to sasl.c, and what the mechanisms share.
 */
#ifndef AUTH_SASL_PRIV_H
#define AUTH_SASL_PRIV_H

#include "auth/sasl.h"

struct sasl_ops {
	const char *name;
	const char *prompt;	/* without an initial response; "" is empty */
	enum sasl_step (*message)(struct sasl *, struct span);
	enum sasl_step (*account)(struct sasl *, const struct cred_account *);
};

enum sasl_step sasl_plain_message(struct sasl *s, struct span m);
enum sasl_step sasl_login_message(struct sasl *s, struct span m);
enum sasl_step sasl_scram_message(struct sasl *s, struct span m);
enum sasl_step sasl_scram_account(struct sasl *s,
    const struct cred_account *a);

/* Ends with a reason for the log. */
enum sasl_step sasl_bad(struct sasl *s, const char *error);

/*
 * Whether an authorization identity may be used with s->user: empty or the
 * same. Nobody acts for somebody else here.
 */
bool sasl_may_act_as(const struct sasl *s, struct span authzid);

#endif
