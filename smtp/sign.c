#include "smtp/sign.h"

#include "server/base/env.h"

#define KEYS_MAX 2		/* RSA and Ed25519 */

int
sign_submit(struct session *s, struct dkim_signer **signer,
    struct span header, const struct rjob_dkim_keys *found, int tag,
    bool *is_waiting)
{
	struct dkim_key keys[KEYS_MAX];
	struct dkim_sign_job *job;
	size_t n = 0;
	int err;

	for (size_t i = 0; i < found->key_count && n < KEYS_MAX; i++) {
		const struct dkim_key_row *k = &found->keys[i];

		if (k->state == DKIM_SIGNING)
			keys[n++] = (struct dkim_key){
				k->domain, k->selector, k->private_key,
				(enum dkim_algorithm)k->algorithm
			};
	}
	*is_waiting = false;
	if (n == 0)
		return 0;
	job = dkim_sign_job_new(*signer, s->env->home, s, keys, n, header,
	    env_wall_s(s->env));
	*signer = NULL;
	job->j.op.tag = tag;
	if ((err = work_submit(s->env->work, &job->j)) < 0) {
		op_free(&job->j.op);
		return err;
	}
	*is_waiting = true;
	return 0;
}
