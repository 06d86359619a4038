/*
 * One TLS connection over memory. mbedTLS reads from in and writes to out
 * through two callbacks; writing never waits, so the library never has to
 * say "try this write again", and what it wants to read is either there or
 * asked for by TLS_MORE.
 */
#include "server/net/tls.h"

#include <mbedtls/error.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/arena.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "server/net/tls_priv.h"

#define RECORD_HEADER 5
#define EXPORTER_LEN 32
#define EXPORTER_LABEL "EXPORTER-Channel-Binding"

struct tls {
	mbedtls_ssl_context ssl;	/* first: tls_of_ssl */
	struct tls_config *cfg;
	struct buf in, out;		/* cipher bytes */
	size_t in_used;			/* of in, taken by the library */
	size_t record_left;		/* of the record it is taking */
	size_t cert;			/* index of the one shown */
	bool is_full;			/* a certificate was sent */
	bool is_begun;			/* the first step was made */
	bool is_done;
	struct tls_want want;		/* of a config for going out */
	struct arena arena;		/* what is in want */
	enum tls_fault fault;
	int failed;			/* mbedTLS's error; 0: none */
	char server_name[256];
	char error[128];
};

/* 2.28 gives callbacks nothing but the context itself. */
static struct tls *
tls_of_ssl(mbedtls_ssl_context *ssl)
{
	return CONTAINER_OF(ssl, struct tls, ssl);
}

static int
bio_send(void *arg, const unsigned char *p, size_t len)
{
	struct tls *t = arg;

	buf_add(&t->out, p, len);
	return (int)len;	/* at most a record */
}

/*
 * Bytes that may be handed to the library: whole records only, so that it
 * never holds a part of one and tls_has_record can look at the first header.
 * What is no record at all is let through, for the library to refuse.
 */
static size_t
whole_record(const struct tls *t)
{
	const unsigned char *p = (unsigned char *)t->in.p + t->in_used;
	size_t len = t->in.len - t->in_used, need;

	if (t->record_left)
		return t->record_left;
	if (len > 0 && (p[0] < 20 || p[0] > 24 || (len > 1 && p[1] != 3)))
		return len;
	if (len < RECORD_HEADER)
		return 0;
	need = RECORD_HEADER + ((size_t)p[3] << 8 | p[4]);
	if (need > TLS_RECORD_MAX)
		return len;
	return len >= need ? need : 0;
}

static int
bio_recv(void *arg, unsigned char *p, size_t len)
{
	struct tls *t = arg;
	size_t whole = whole_record(t), n = MIN(whole, len);

	if (n == 0)
		return MBEDTLS_ERR_SSL_WANT_READ;
	memcpy(p, t->in.p + t->in_used, n);
	t->record_left = whole - n;
	t->in_used += n;
	if (t->in_used == t->in.len) {
		buf_truncate(&t->in, 0);
		t->in_used = 0;
	}
	return (int)n;
}

/*
 * RFC 6066 section 3. An unknown name gets the default certificate: mail
 * programs show their users a mismatch, and SMTP peers do not care.
 */
int
tls_on_server_name(void *arg, mbedtls_ssl_context *ssl,
    const unsigned char *name, size_t len)
{
	struct tls_config *cfg = arg;
	struct tls *t = tls_of_ssl(ssl);
	struct span host = { (const char *)name, len };

	if (len >= sizeof t->server_name || memchr(name, '\0', len))
		return -1;	/* no host name: unrecognized_name */
	memcpy(t->server_name, name, len);
	t->server_name[len] = '\0';
	t->cert = certset_choose(cfg->certs, host);
	return mbedtls_ssl_set_hs_own_cert(ssl,
	    certset_chain(cfg->certs, t->cert),
	    certset_key(cfg->certs, t->cert));
}

struct tls *
tls_new(struct tls_config *cfg, const char *server_name)
{
	struct tls *t = xcalloc(1, sizeof *t);
	int ret;

	t->cfg = tls_config_ref(cfg);
	buf_init(&t->in);
	buf_init(&t->out);
	mbedtls_ssl_init(&t->ssl);
	ret = mbedtls_ssl_setup(&t->ssl, &cfg->conf);
	if (ret == 0 && cfg->role == TLS_CLIENT)
		ret = mbedtls_ssl_set_hostname(&t->ssl, server_name);
	if (ret != 0) {
		tls_free(t);
		return NULL;
	}
	mbedtls_ssl_set_bio(&t->ssl, t, bio_send, bio_recv, NULL);
	return t;
}

static void
copy_want(struct tls *t, const struct tls_want *from)
{
	struct arena *a = &t->arena;
	const char **names = arena_array(a, from->name_count, sizeof *names);
	struct dns_record *tlsa = arena_array(a, from->tlsa_count,
	    sizeof *tlsa);

	for (size_t i = 0; i < from->name_count; i++)
		names[i] = arena_str(a, span_of(from->names[i]));
	for (size_t i = 0; i < from->tlsa_count; i++) {
		tlsa[i] = from->tlsa[i];
		tlsa[i].data = arena_span(a, from->tlsa[i].data);
	}
	t->want = *from;
	t->want.names = names;
	t->want.tlsa = tlsa;
	t->want.server_name = NULL;	/* the library has it */
}

struct tls *
tls_new_out(struct tls_config *cfg, const struct tls_want *want)
{
	static const struct tls_want any = { .mode = TLS_OPPORTUNISTIC };
	struct tls *t;

	assert(cfg->is_out);
	if (!want)
		want = &any;
	t = tls_new(cfg, want->server_name);
	if (t)
		copy_want(t, want);
	return t;
}

void
tls_free(struct tls *t)
{
	if (!t)
		return;
	arena_release(&t->arena);
	mbedtls_ssl_free(&t->ssl);
	tls_config_unref(t->cfg);
	buf_release(&t->in);
	buf_release(&t->out);
	free(t);
}

/* Remembers the first error; every call after it fails. */
static int
tls_fail(struct tls *t, int ret)
{
	if (t->failed == 0) {
		t->failed = ret;
		mbedtls_strerror(ret, t->error, sizeof t->error);
	}
	return ERR_TLS;
}

static int
tls_state(const struct tls *t)
{
#if MBEDTLS_IS_3
	return t->ssl.MBEDTLS_PRIVATE(state);
#else
	return t->ssl.state;
#endif
}

/*
 * Before anything of ours is sent. The handshake has shown that the peer has
 * the key of the certificate; whether that is enough is the question here.
 */
static enum tls_result
verify_peer(struct tls *t)
{
	mbedtls_x509_crt *chain;

	if (!t->cfg->is_out)
		return TLS_DONE;
	/* The library lends it as const and verifies it as not. */
	chain = (mbedtls_x509_crt *)(uintptr_t)mbedtls_ssl_get_peer_cert(
	    &t->ssl);
	t->fault = tls_verify(chain, &t->cfg->ca, &t->want);
	if (t->fault == TLS_FAULT_NONE)
		return TLS_DONE;
	(void)mbedtls_ssl_send_alert_message(&t->ssl,
	    MBEDTLS_SSL_ALERT_LEVEL_FATAL, MBEDTLS_SSL_ALERT_MSG_BAD_CERT);
	t->failed = MBEDTLS_ERR_X509_CERT_VERIFY_FAILED;
	(void)snprintf(t->error, sizeof t->error, "%s",
	    tls_fault_text(t->fault));
	return TLS_FAILED;
}

enum tls_result
tls_handshake(struct tls *t)
{
	if (t->failed)
		return TLS_FAILED;
	t->is_begun = true;
	while (tls_state(t) != MBEDTLS_SSL_HANDSHAKE_OVER) {
		int state = tls_state(t);
		int ret = mbedtls_ssl_handshake_step(&t->ssl);

		if (state == MBEDTLS_SSL_SERVER_CERTIFICATE)
			t->is_full = true;
		if (ret == MBEDTLS_ERR_SSL_WANT_READ)
			return TLS_MORE;
		if (ret != 0) {
			(void)tls_fail(t, ret);
			return TLS_FAILED;
		}
	}
	if (verify_peer(t) == TLS_FAILED)
		return TLS_FAILED;
	t->is_done = true;
	return TLS_DONE;
}

struct buf *
tls_cipher_in(struct tls *t)
{
	buf_consume(&t->in, t->in_used);
	t->in_used = 0;
	return &t->in;
}

bool
tls_has_record(const struct tls *t)
{
	return whole_record(t) > 0 || mbedtls_ssl_check_pending(&t->ssl) ||
	    (!t->is_begun && t->cfg->role == TLS_CLIENT);
}

int
tls_read(struct tls *t, char *p, size_t len)
{
	int ret;

	if (t->failed)
		return ERR_TLS;
	do {
		ret = mbedtls_ssl_read(&t->ssl, (unsigned char *)p, len);
#if defined(MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
	} while (ret == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET);
#else
	} while (0);
#endif
	if (ret > 0)
		return ret;
	if (ret == MBEDTLS_ERR_SSL_WANT_READ)
		return 0;
	if (ret == 0 || ret == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
		return ERR_CLOSED;
	return tls_fail(t, ret);
}

bool
tls_has_plain(const struct tls *t)
{
	return tls_has_record(t) || mbedtls_ssl_get_bytes_avail(&t->ssl) > 0;
}

int
tls_write(struct tls *t, const char *p, size_t len)
{
	int ret;

	if (t->failed)
		return ERR_TLS;
	ret = mbedtls_ssl_write(&t->ssl, (const unsigned char *)p, len);
	if (ret >= 0)
		return ret;
	return tls_fail(t, ret);
}

void
tls_close(struct tls *t)
{
	if (!t->failed && t->is_done)
		(void)mbedtls_ssl_close_notify(&t->ssl);
}

struct buf *
tls_cipher_out(struct tls *t)
{
	return &t->out;
}

/*
 * RFC 9266 section 4: only with TLS 1.3, where what is exported belongs to
 * this connection alone. Section 4.2 would allow 1.2 with extended master
 * secret, but the library does not tell whether that was used.
 */
static void
fill_exporter(struct tls *t, struct peer *peer)
{
	peer->exporter_len = 0;
#if MBEDTLS_IS_3 && defined(MBEDTLS_SSL_KEYING_MATERIAL_EXPORT)
	if (mbedtls_ssl_get_version_number(&t->ssl) ==
	    MBEDTLS_SSL_VERSION_TLS1_3 &&
	    mbedtls_ssl_export_keying_material(&t->ssl, peer->exporter,
	    EXPORTER_LEN, EXPORTER_LABEL, sizeof EXPORTER_LABEL - 1, NULL, 0,
	    0) == 0)
		peer->exporter_len = EXPORTER_LEN;
#else
	(void)t;
#endif
}

static void
fill_endpoint(const struct tls *t, struct peer *peer)
{
	const struct cert_info *info;

	peer->endpoint_len = 0;
	if (t->cfg->role != TLS_SERVER)
		return;
	info = certset_info(t->cfg->certs, t->cert);
	memcpy(peer->endpoint, info->endpoint, info->endpoint_len);
	peer->endpoint_len = info->endpoint_len;
}

void
tls_fill_peer(struct tls *t, struct peer *peer)
{
	peer->has_tls = true;
	(void)snprintf(peer->tls_version, sizeof peer->tls_version, "%s",
	    mbedtls_ssl_get_version(&t->ssl));
	(void)snprintf(peer->tls_cipher, sizeof peer->tls_cipher, "%s",
	    mbedtls_ssl_get_ciphersuite(&t->ssl));
	peer->tls_fault = t->fault;
	peer->tls_verified = !t->is_done || !t->cfg->is_out ||
	    t->want.mode == TLS_OPPORTUNISTIC ? TLS_UNVERIFIED :
	    t->want.mode == TLS_DANE ? TLS_BY_DANE : TLS_BY_PKIX;
	(void)snprintf(peer->sni, sizeof peer->sni, "%s", t->server_name);
	fill_exporter(t, peer);
	fill_endpoint(t, peer);
}

bool
tls_is_resumed(const struct tls *t)
{
	return t->is_done && !t->is_full;
}

enum tls_fault
tls_fault(const struct tls *t)
{
	return t->fault;
}

const char *
tls_error(const struct tls *t)
{
	return t->error;
}
