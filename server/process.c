#include "server/process.h"

#include <errno.h>
#include <sys/stat.h>

#include "auth/passwd.h"
#include "auth/throttle.h"
#include "server/base/err.h"
#include "store/hub.h"

struct passwd_params
process_passwd_params(const struct config *c)
{
	return (struct passwd_params){
		.passes = c->argon2_passes,
		.memory = (size_t)c->argon2_memory,
		.iterations = c->scram_iterations,
	};
}

static int
make_data_dir(const struct config *c, struct buf *why)
{
	if (mkdir(c->data_dir, 0700) == 0 || errno == EEXIST)
		return 0;
	buf_printf(why, "cannot make the data folder %s: %s", c->data_dir,
	    strerror(errno));
	return ERR_IO;
}

static void
fill_env(struct process *p)
{
	const struct config *c = p->config;
	struct env *env = &p->env;

	p->budget.limit = (size_t)c->memory_limit;
	env->clock = clock_system();
	env->random = random_system();
	env->log = &p->log;
	env->stats = &p->stats;
	env->budget = &p->budget;
	env->hostname = c->hostname;
	env->version = KINGPOST_VERSION;
	random_fill(env->random, &env->hash_key, sizeof env->hash_key);
}

int
process_open(struct process *p, const struct config *c, bool inline_store,
    struct buf *why)
{
	struct store_settings settings;
	int err;

	p->config = c;
	fill_env(p);
	if ((err = make_data_dir(c, why)) < 0)
		return err;
	store_settings_init(&settings);
	settings.dir = c->data_dir;
	settings.postmaster = c->postmaster;
	settings.is_inline = inline_store;
	settings.readers = c->readers;
	settings.reserve_bytes = c->reserve;
	settings.size_limit = c->size_limit;
	settings.secure_delete = c->secure_delete;
	if ((err = store_open(&p->store, &settings, &p->env, why)) < 0)
		return err;
	p->env.store = p->store;
	p->env.creds = store_creds(p->store, &p->env);
	p->env.hub = hub_new(&p->env);
	p->env.throttle = throttle_new(&p->env.hash_key);
	p->env.passcache = passcache_new(p->env.random);
	return 0;
}

void
process_close(struct process *p)
{
	hub_free(p->env.hub);
	store_close(p->store);
	p->env.store = NULL;
	while (post_drain(p->env.home))
		continue;
	throttle_free(p->env.throttle);
	passcache_free(p->env.passcache);
}
