/*
 * Log lines: one line an event, key=value, escaped, never blocking.
 *
 *     2026-01-02T03:04:05Z info imap login user=alice@example.org from=::1
 *
 * A line is built on the stack and written with one write(2) to a descriptor
 * that does not block; what cannot be written is counted and the count is
 * logged when writing works again. Values are escaped: a peer's bytes can
 * neither break the line nor hide in it.
 *
 * Thread: any.
 */
#ifndef SERVER_BASE_LOG_H
#define SERVER_BASE_LOG_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/clock.h"
#include "server/base/span.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log {
	struct clock *clock;
	enum log_level level;		/* lines below are not made */
	_Atomic int fd;			/* -1: nowhere */
	atomic_size_t lost;		/* lines that could not be written */
	/* A test's ear; called instead of writing: the line without its LF. */
	void (*sink)(struct log *, enum log_level, struct span line);
};

void log_init(struct log *l, struct clock *clock, int fd);

/* A field: what the value is decides how it is shown. */
enum field_kind { FIELD_END, FIELD_STR, FIELD_SPAN, FIELD_INT, FIELD_ERR };
struct field {
	enum field_kind kind;
	const char *key;
	struct span s;
	int64_t i;
};
#define F_STR(k, v)  ((struct field){ FIELD_STR, (k), span_of(v), 0 })
#define F_SPAN(k, v) ((struct field){ FIELD_SPAN, (k), (v), 0 })
#define F_INT(k, v)  ((struct field){ FIELD_INT, (k), { 0, 0 }, (int64_t)(v) })
/* err=ERR_IO and its text */
#define F_ERR(v)     ((struct field){ FIELD_ERR, "err", { 0, 0 }, (int64_t)(v) })

/* area is the room ("imap"), event a word or two with hyphens. */
void log_fields(struct log *l, enum log_level level, const char *area,
    const char *event, const struct field *fields);
#define log_event(l, level, area, event, ...) \
	log_fields((l), (level), (area), (event), (const struct field[]){ \
	    __VA_ARGS__ __VA_OPT__(,) { FIELD_END, NULL, { 0, 0 }, 0 } })

/*
 * Every refusal of anything to anybody goes through here: why, to whom, what.
 * who is the peer's address or account, what is the thing refused.
 */
void log_refusal(struct log *l, const char *area, const char *reason,
    struct span who, struct span what);

#endif
