/*
 * Sending as the process runs it: settings from the configuration, the queue,
 * the timer that wakes it.
 */
#ifndef SERVER_SENDING_H
#define SERVER_SENDING_H

#include <jansson.h>

#include "server/config.h"
#include "server/net/loop.h"
#include "smtp/queue.h"
#include "smtp/tls_reporter.h"

#define SENDING_OWN_MAX 64	/* addresses of ours that are known */

struct sending {
	struct queue_settings settings;	/* sending_configure */
	struct addr own[SENDING_OWN_MAX];
	struct queue *queue;
	struct tls_reporter *reporter;
	const char *contact;		/* whom reports are from, or "" */
	struct loop *loop;
	struct env *env;
	struct loop_timer timer;
};

/* Borrows c. */
void sending_configure(struct sending *s, const struct config *c);

/* env has its hub, its source of DNS and its dialer. */
void sending_open(struct sending *s, struct loop *loop, struct env *env);

/* What is due by the day; to be called every few seconds. */
void sending_tick(struct sending *s);

/* No more connections are made; those there are end with their message. */
void sending_stop(struct sending *s);

/* Adds what is under way. */
void sending_put_status(const struct sending *s, json_t *row);

/* Its sessions are gone. Legal on one that was never opened, and twice. */
void sending_close(struct sending *s);

#endif
