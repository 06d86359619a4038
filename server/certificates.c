#include "server/certificates.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"

void
certificates_init(struct certificates *k, struct random *random)
{
	*k = (struct certificates){ .random = random };
}

static void
pair_release(struct cert_pair *p)
{
	free(p->name);
	explicit_bzero(p->key.p, p->key.len);
	buf_release(&p->key);
	buf_release(&p->chain);
}

void
certificates_release(struct certificates *k)
{
	for (size_t i = 0; i < k->n; i++)
		pair_release(&k->v[i]);
	free(k->v);
	*k = (struct certificates){ .random = k->random };
}

static struct cert_pair *
insert_pair(struct certificates *k, size_t at, const char *name,
    bool is_stored)
{
	k->v = xreallocarray(k->v, k->n + 1, sizeof *k->v);
	memmove(k->v + at + 1, k->v + at, (k->n - at) * sizeof *k->v);
	k->n++;
	k->v[at] = (struct cert_pair){ .name = xstrdup(name),
	    .is_stored = is_stored };
	buf_init(&k->v[at].chain);
	buf_init(&k->v[at].key);
	return &k->v[at];
}

static int
read_pair(struct certificates *k, const struct config *c,
    const struct config_certificate *file, struct buf *why)
{
	struct cert_pair *p = insert_pair(k, k->n, file->name, false);
	struct certset *probe = certset_new(k->random);
	struct buf reason = BUF_INIT;
	int err;

	if ((err = config_read_file(file->chain_path, CERT_FILE_MAX,
	    &p->chain, &reason)) == 0 &&
	    (err = config_read_file(file->key_path, CERT_FILE_MAX, &p->key,
	    &reason)) == 0)
		err = certset_add(probe, file->name, buf_span(&p->chain),
		    buf_span(&p->key), &reason);
	if (err < 0) {
		config_put_place(c, file->place, why);
		buf_printf(why, "certificate %s: ", file->name);
		buf_addspan(why, buf_span(&reason));
	}
	buf_release(&reason);
	certset_unref(probe);
	return err < 0 ? ERR_CONFIG : 0;
}

int
certificates_read(struct certificates *k, const struct config *c,
    struct buf *why)
{
	struct certificates fresh;

	certificates_init(&fresh, k->random);
	for (size_t i = 0; i < c->certificate_count; i++) {
		if (read_pair(&fresh, c, &c->certificates[i], why) < 0) {
			certificates_release(&fresh);
			return ERR_CONFIG;
		}
	}
	for (size_t i = 0; i < k->n; i++)
		if (k->v[i].is_stored)
			certificates_put_stored(&fresh, k->v[i].name,
			    buf_span(&k->v[i].chain), buf_span(&k->v[i].key));
	certificates_release(k);
	*k = fresh;
	return 0;
}

void
certificates_put_stored(struct certificates *k, const char *name,
    struct span chain, struct span key)
{
	struct cert_pair *p = NULL;

	for (size_t i = 0; i < k->n && !p; i++)
		if (k->v[i].is_stored && strcmp(k->v[i].name, name) == 0)
			p = &k->v[i];
	if (!p)
		p = insert_pair(k, 0, name, true);
	explicit_bzero(p->key.p, p->key.len);
	buf_clear(&p->key);
	buf_clear(&p->chain);
	buf_addspan(&p->chain, chain);
	buf_addspan(&p->key, key);
}

struct certset *
certificates_build(const struct certificates *k, struct buf *why)
{
	struct certset *set = certset_new(k->random);

	for (size_t i = 0; i < k->n; i++) {
		if (certset_add(set, k->v[i].name, buf_span(&k->v[i].chain),
		    buf_span(&k->v[i].key), why) < 0) {
			certset_unref(set);
			return NULL;
		}
	}
	return set;
}

int
certificates_check(struct random *random, struct span chain, struct span key,
    char *name, size_t name_size, int64_t *not_after_s, struct buf *why)
{
	struct certset *probe = certset_new(random);
	int err = certset_add(probe, "loaded", chain, key, why);

	if (err == 0) {
		const struct cert_info *info = certset_info(probe, 0);

		(void)snprintf(name, name_size, "%s",
		    info->host_count ? info->hosts[0] : "unnamed");
		*not_after_s = info->not_after_s;
	}
	certset_unref(probe);
	return err;
}
