#include "tests/fuzz/pair.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/base/xalloc.h"

static void
pair_open(struct pair *p)
{
	for (size_t i = 0; i < COUNT(p->worlds); i++) {
		world_open(&p->worlds[i]);
		p->setup(&p->worlds[i]);
	}
}

static void
pair_close(struct pair *p)
{
	struct buf why = BUF_INIT;

	for (size_t i = 0; i < COUNT(p->worlds); i++) {
		if (p->worlds[i].complaints.len)
			fprintf(stderr, "%s\n", p->worlds[i].complaints.p);
		assert(p->worlds[i].complaints.len == 0);
		if (world_close(&p->worlds[i], &why) != 0) {
			fprintf(stderr, "%s\n", why.p);
			abort();
		}
	}
	buf_release(&why);
}

/* Pieces of 1 to 16 bytes, the same for the same data. */
static void
send_pieces(struct client *c, const char *p, size_t len)
{
	uint32_t x = (uint32_t)len * 2654435761u + 1;

	while (len) {
		size_t n;

		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		n = MIN(len, x % 16 + 1);
		client_send(c, p, n);
		p += n;
		len -= n;
	}
}

static void
forget_client(struct client *c)
{
	client_close(c);
	world_pump(c->world);
	list_remove(&c->node);
	buf_release(&c->in);
	buf_release(&c->out);
	free(c);
}

void
pair_run(struct pair *p, const struct session_maker *m, const char *prefix,
    const uint8_t *data, size_t size, struct buf *out)
{
	struct client *c[2];

	if (p->runs == 0)
		pair_open(p);
	p->runs++;
	for (size_t i = 0; i < COUNT(c); i++) {
		seeded_random_init(&p->worlds[i].random, p->runs);
		c[i] = client_open(&p->worlds[i], m, "127.0.0.1", true);
		client_send(c[i], prefix, strlen(prefix));
		buf_clear(&c[i]->out);
	}
	client_send(c[0], (const char *)data, size);
	send_pieces(c[1], (const char *)data, size);
	if (!span_eq(buf_span(&c[0]->out), buf_span(&c[1]->out)))
		fprintf(stderr, "--- in one piece\n%s\n--- in pieces\n%s\n",
		    c[0]->out.p, c[1]->out.p);
	assert(span_eq(buf_span(&c[0]->out), buf_span(&c[1]->out)));
	assert(c[0]->is_closed == c[1]->is_closed);
	buf_addspan(out, buf_span(&c[0]->out));
	forget_client(c[0]);
	forget_client(c[1]);
	if (p->runs >= PAIR_RUNS) {
		pair_close(p);
		p->runs = 0;
	}
}
