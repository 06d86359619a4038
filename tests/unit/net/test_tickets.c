/*
 * Session tickets: the other end is mbedTLS's own client, because struct tls
 * keeps no sessions of its own when it is one.
 */
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#include <string.h>

#include "server/base/clock.h"
#include "server/net/tls.h"
#include "tests/check.h"

struct resumer {
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config conf;
	struct tls *server;	/* the other end */
	struct buf in;
};

static int
client_rng(void *arg, unsigned char *p, size_t len)
{
	(void)arg;
	random_fill(random_system(), p, len);
	return 0;
}

static int
client_out(void *arg, const unsigned char *p, size_t len)
{
	struct resumer *r = arg;

	buf_add(tls_cipher_in(r->server), p, len);
	return (int)len;
}

static int
client_in(void *arg, unsigned char *p, size_t len)
{
	struct resumer *r = arg;
	struct buf *from = tls_cipher_out(r->server);
	size_t n = MIN(len, from->len);

	if (n == 0)
		return MBEDTLS_ERR_SSL_WANT_READ;
	memcpy(p, from->p, n);
	buf_consume(from, n);
	return (int)n;
}

static void
resumer_init(struct resumer *r, struct tls_config *server,
    const mbedtls_ssl_session *session)
{
	*r = (struct resumer){ .server = tls_new(server, NULL) };
	CHECK(r->server != NULL);
	mbedtls_ssl_init(&r->ssl);
	mbedtls_ssl_config_init(&r->conf);
	CHECK_EQ(mbedtls_ssl_config_defaults(&r->conf, MBEDTLS_SSL_IS_CLIENT,
	    MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT), 0);
	mbedtls_ssl_conf_authmode(&r->conf, MBEDTLS_SSL_VERIFY_NONE);
	mbedtls_ssl_conf_rng(&r->conf, client_rng, NULL);
#if defined(MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED)
	mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(&r->conf,
	    MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
#endif
	CHECK_EQ(mbedtls_ssl_setup(&r->ssl, &r->conf), 0);
	if (session)
		CHECK_EQ(mbedtls_ssl_set_session(&r->ssl, session), 0);
	mbedtls_ssl_set_bio(&r->ssl, r, client_out, client_in, NULL);
}

static void
resumer_release(struct resumer *r)
{
	mbedtls_ssl_free(&r->ssl);
	mbedtls_ssl_config_free(&r->conf);
	tls_free(r->server);
}

static void
shake(struct resumer *r)
{
	enum tls_result s = TLS_MORE;
	int c = MBEDTLS_ERR_SSL_WANT_READ;

	for (int i = 0; i < 100 && (s == TLS_MORE || c != 0); i++) {
		if (c == MBEDTLS_ERR_SSL_WANT_READ)
			c = mbedtls_ssl_handshake(&r->ssl);
		if (s == TLS_MORE)
			s = tls_handshake(r->server);
	}
	CHECK_EQ(c, 0);
	CHECK_EQ(s, TLS_DONE);
}

/* With TLS 1.3 tickets come after the handshake, as something to read. */
static void
take_ticket(struct resumer *r, mbedtls_ssl_session *session)
{
	unsigned char p[16];

	CHECK(tls_write(r->server, "x", 1) == 1);
	while (mbedtls_ssl_read(&r->ssl, p, sizeof p) != 1)
		continue;
	mbedtls_ssl_session_init(session);
	CHECK_EQ(mbedtls_ssl_get_session(&r->ssl, session), 0);
}

static struct certset *
make_certs(void)
{
	static const char *const names[] = { "mail.example.test" };
	struct buf cert = BUF_INIT, key = BUF_INIT, why = BUF_INIT;
	struct certset *set;

	CHECK_EQ(base_random_start(), 0);
	set = certset_new(random_system());
	CHECK_EQ(cert_make_self_signed(random_system(), names, 1,
	    clock_system()->wall_s(clock_system()), 9, &cert, &key), 0);
	CHECK_EQ(certset_add(set, "test", buf_span(&cert), buf_span(&key),
	    &why), 0);
	buf_release(&cert);
	buf_release(&key);
	buf_release(&why);
	return set;
}

static struct tls_config *
make_config(struct certset *set)
{
	struct buf why = BUF_INIT;
	struct tls_config *cfg = tls_config_new_server(set, NULL,
	    random_system(), &why);

	CHECK(cfg != NULL);
	buf_release(&why);
	return cfg;
}

TEST(test_tickets_resume_with_the_config_that_gave_them_only)
{
	struct certset *set = make_certs();
	struct tls_config *cfg = make_config(set);
	struct tls_config *other = make_config(set);
	mbedtls_ssl_session session;
	struct peer first = { 0 }, second = { 0 };
	struct resumer r;

	resumer_init(&r, cfg, NULL);
	shake(&r);
	CHECK(!tls_is_resumed(r.server));
	tls_fill_peer(r.server, &first);
	take_ticket(&r, &session);
	resumer_release(&r);

	resumer_init(&r, cfg, &session);
	shake(&r);
	CHECK(tls_is_resumed(r.server));
	tls_fill_peer(r.server, &second);
	CHECK_EQ(first.endpoint_len, second.endpoint_len);
	CHECK_EQ(memcmp(first.endpoint, second.endpoint,
	    first.endpoint_len), 0);
	/* RFC 9266 section 3: unique to each connection. */
	if (first.exporter_len)
		CHECK(memcmp(first.exporter, second.exporter, 32) != 0);
	resumer_release(&r);

	/* After a reload it is a full handshake, and works. */
	resumer_init(&r, other, &session);
	shake(&r);
	CHECK(!tls_is_resumed(r.server));
	resumer_release(&r);

	mbedtls_ssl_session_free(&session);
	tls_config_unref(cfg);
	tls_config_unref(other);
	certset_unref(set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_tickets_resume_with_the_config_that_gave_them_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
