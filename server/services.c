#include "server/services.h"

#include <stdlib.h>

#include "imap/imap.h"
#include "pop3/pop3.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "server/process.h"
#include "smtp/smtp_in.h"

#define PROTOCOLS 4
#define TLS_MODES 3

/* RFC 9738 section 4: few mailboxes are as large, and no command is. */
#define MESSAGE_LIMIT 1000000

/* What the front-ends are told, apart for each TLS mode. */
struct mode_settings {
	struct smtp_settings smtp, submission;
	struct pop3_settings pop3;
	struct imap_settings imap;
};

struct services {
	struct mode_settings settings[TLS_MODES];
	/* One TLS config a protocol: ALPN and ticket keys are its own. */
	struct service v[PROTOCOLS][TLS_MODES];
};

/* RFC 7301's registered names; the same for port 25 and submission. */
static const char *const alpn[PROTOCOLS] = { "smtp", "smtp", "pop3", "imap" };
static const char *const names[PROTOCOLS] = {
	"smtp", "submission", "pop3", "imap"
};
static const char *const busy_lines[PROTOCOLS] = {
	"421 4.7.0 Too many connections; try again later\r\n",
	"421 4.7.0 Too many connections; try again later\r\n",
	"-ERR [SYS/TEMP] Too many connections; try again later\r\n",
	"* BYE [UNAVAILABLE] Too many connections; try again later\r\n",
};

static void
fill_settings(struct mode_settings *s, const struct config *c,
    const struct queue_settings *queue, bool has_starttls)
{
	struct login_settings login = {
		.plaintext = c->plaintext_loopback ? PLAINTEXT_LOOPBACK :
		    PLAINTEXT_NEVER,
		.params = process_passwd_params(c),
	};

	smtp_settings_init(&s->smtp, SMTP_MX);
	smtp_settings_init(&s->submission, SMTP_SUBMISSION);
	s->smtp.size_limit = s->submission.size_limit = c->size_limit;
	s->smtp.has_starttls = s->submission.has_starttls = has_starttls;
	s->smtp.rcpts_max = c->recipients_inbound;
	s->submission.rcpts_max = c->recipients;
	s->smtp.busy_connections = s->submission.busy_connections =
	    c->connections / 2;
	s->smtp.login = s->submission.login = login;
	s->smtp.queue = s->submission.queue = queue;
	s->submission.messages_day = c->messages_day;
	s->submission.new_rcpts_day = c->new_recipients_day;
	s->submission.relay_from = c->relay_from;
	s->submission.relay_from_count = c->relay_from_count;
	s->submission.relay_messages_day = c->relay_messages_day;
	s->pop3 = (struct pop3_settings){ .has_stls = has_starttls,
	    .login = login };
	s->imap = (struct imap_settings){ .has_starttls = has_starttls,
	    .size_limit = c->size_limit, .message_limit = MESSAGE_LIMIT,
	    .login = login };
}

static struct session_maker
maker_of(const struct mode_settings *s, enum protocol protocol)
{
	switch (protocol) {
	case PROTO_SMTP:
		return (struct session_maker){ smtp_in_make, &s->smtp };
	case PROTO_SUBMISSION:
		return (struct session_maker){ smtp_in_make, &s->submission };
	case PROTO_POP3:
		return (struct session_maker){ pop3_make, &s->pop3 };
	case PROTO_IMAP:
		break;
	}
	return (struct session_maker){ imap_make, &s->imap };
}

struct services *
services_new(const struct config *c, const struct queue_settings *queue)
{
	static const enum service_tls modes[TLS_MODES] = {
		SERVICE_PLAIN, SERVICE_STARTTLS, SERVICE_IMPLICIT
	};
	struct services *s = xcalloc(1, sizeof *s);

	for (unsigned t = 0; t < TLS_MODES; t++) {
		fill_settings(&s->settings[t], c, queue,
		    t == TLS_MODE_STARTTLS);
		for (unsigned p = 0; p < PROTOCOLS; p++)
			s->v[p][t] = (struct service){
				.name = names[p],
				.maker = maker_of(&s->settings[t],
				    (enum protocol)p),
				.tls_mode = modes[t],
				.busy_line = busy_lines[p],
			};
	}
	return s;
}

void
services_free(struct services *s)
{
	if (!s)
		return;
	for (unsigned p = 0; p < PROTOCOLS; p++)
		for (unsigned t = 0; t < TLS_MODES; t++)
			service_set_tls(&s->v[p][t], NULL);
	free(s);
}

struct service *
services_find(struct services *s, enum protocol protocol, enum tls_mode tls)
{
	return &s->v[protocol][tls];
}

int
services_set_certs(struct services *s, struct certset *certs,
    struct random *random, struct buf *why)
{
	struct tls_config *fresh[PROTOCOLS] = { NULL };
	int err = 0;

	if (certset_count(certs) == 0)
		return 0;	/* nothing offers TLS, or reading had failed */
	for (unsigned p = 0; p < PROTOCOLS && err == 0; p++) {
		fresh[p] = tls_config_new_server(certs, alpn[p], random, why);
		if (!fresh[p])
			err = ERR_CONFIG;
	}
	for (unsigned p = 0; p < PROTOCOLS; p++) {
		for (unsigned t = TLS_MODE_STARTTLS; err == 0 && t < TLS_MODES;
		    t++)
			service_set_tls(&s->v[p][t], fresh[p]);
		tls_config_unref(fresh[p]);
	}
	return err;
}
