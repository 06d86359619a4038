/*
 * Signing with a domain's keys (RFC 6376): what submission, conversion and
 * the host's own mail have in common. A message of which dkim_signer_body has
 * seen the whole body is signed in two ops: the keys are read, and the work
 * pool signs.
 */
#ifndef SMTP_SIGN_H
#define SMTP_SIGN_H

#include <stdbool.h>

#include "auth/dkim.h"
#include "server/base/session.h"
#include "store/trust.h"

/*
 * Submits the job that signs header and body with the keys that were found,
 * as a dkim_sign_job of s with op.tag tag. Takes *signer then. *is_waiting:
 * whether it is out; without a key that signs it is not. 0 or ERR_BUSY.
 */
int sign_submit(struct session *s, struct dkim_signer **signer,
    struct span header, const struct rjob_dkim_keys *keys, int tag,
    bool *is_waiting);

#endif
