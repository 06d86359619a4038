/*
 * TLS settings: what is spoken, in which order, with which certificates.
 */
#include <stdlib.h>
#include <string.h>

#if defined(__has_include) && __has_include(<psa/crypto.h>)
#include <psa/crypto.h>
#endif

#include "server/base/xalloc.h"
#include "server/net/tls.h"
#include "server/net/tls_priv.h"

/*
 * ChaCha20-Poly1305 is the faster one in this library, and constant-time
 * without hardware. RFC 9325 section 4.2: forward secrecy and AEAD only.
 */
static const int suites[] = {
#if defined(MBEDTLS_SSL_PROTO_TLS1_3)
	MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
	MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
#endif
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	0
};

#if MBEDTLS_IS_3
static const uint16_t groups[] = {
	MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
	MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
	MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
	MBEDTLS_SSL_IANA_TLS_GROUP_NONE
};
#else
static const mbedtls_ecp_group_id groups[] = {
	MBEDTLS_ECP_DP_CURVE25519,
	MBEDTLS_ECP_DP_SECP256R1,
	MBEDTLS_ECP_DP_SECP384R1,
	MBEDTLS_ECP_DP_NONE
};
#endif

/* TLS 1.2 at least: RFC 8996, RFC 8314 section 4.1. */
static void
set_versions(mbedtls_ssl_config *conf)
{
#if MBEDTLS_IS_3
	mbedtls_ssl_conf_min_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_2);
	mbedtls_ssl_conf_groups(conf, groups);
#if defined(MBEDTLS_SSL_PROTO_TLS1_3)
	mbedtls_ssl_conf_max_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_3);
	/* RFC 8446 section 2.2: a resumed session has forward secrecy too. */
	mbedtls_ssl_conf_tls13_key_exchange_modes(conf,
	    MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ALL);
#endif
#else
	mbedtls_ssl_conf_min_version(conf, MBEDTLS_SSL_MAJOR_VERSION_3,
	    MBEDTLS_SSL_MINOR_VERSION_3);
	mbedtls_ssl_conf_curves(conf, groups);
#endif
}

/* Done before any handshake; more than once is legal. */
static int
start_psa(void)
{
#if MBEDTLS_IS_3 && defined(MBEDTLS_PSA_CRYPTO_C)
	return psa_crypto_init() == PSA_SUCCESS ? 0 :
	    MBEDTLS_ERR_SSL_INTERNAL_ERROR;
#else
	return 0;
#endif
}

static struct tls_config *
config_new(enum tls_role role, const char *alpn)
{
	struct tls_config *cfg = xcalloc(1, sizeof *cfg);

	atomic_init(&cfg->refs, 1);
	cfg->role = role;
	mbedtls_ssl_config_init(&cfg->conf);
	mbedtls_ssl_ticket_init(&cfg->ticket);
	mbedtls_x509_crt_init(&cfg->ca);
	cfg->alpn_name = alpn ? xstrdup(alpn) : NULL;
	cfg->alpn[0] = cfg->alpn_name;
	return cfg;
}

static int
config_common(struct tls_config *cfg, struct random *random)
{
	int endpoint = cfg->role == TLS_SERVER ? MBEDTLS_SSL_IS_SERVER :
	    MBEDTLS_SSL_IS_CLIENT;
	int ret;

	if ((ret = start_psa()) != 0)
		return ret;
	ret = mbedtls_ssl_config_defaults(&cfg->conf, endpoint,
	    MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
	if (ret != 0)
		return ret;
	set_versions(&cfg->conf);
	mbedtls_ssl_conf_rng(&cfg->conf, net_rng, random);
	if (!cfg->is_out)
		mbedtls_ssl_conf_ciphersuites(&cfg->conf, suites);
#if defined(MBEDTLS_SSL_RENEGOTIATION)
	mbedtls_ssl_conf_renegotiation(&cfg->conf,
	    MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
	if (!cfg->alpn_name)
		return 0;
	return mbedtls_ssl_conf_alpn_protocols(&cfg->conf, cfg->alpn);
}

static int
config_server(struct tls_config *cfg, struct random *random)
{
	int ret = mbedtls_ssl_ticket_setup(&cfg->ticket, net_rng, random,
	    MBEDTLS_CIPHER_AES_256_GCM, TLS_TICKET_LIFETIME_S);

	if (ret != 0)
		return ret;
	mbedtls_ssl_conf_session_tickets_cb(&cfg->conf,
	    mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse, &cfg->ticket);
	mbedtls_ssl_conf_sni(&cfg->conf, tls_on_server_name, cfg);
	/* For those who send no name. */
	return mbedtls_ssl_conf_own_cert(&cfg->conf,
	    certset_chain(cfg->certs, 0), certset_key(cfg->certs, 0));
}

struct tls_config *
tls_config_new_server(struct certset *certs, const char *alpn,
    struct random *random, struct buf *why)
{
	struct tls_config *cfg;
	int ret;

	if (certset_count(certs) == 0) {
		buf_adds(why, "there is no certificate");
		return NULL;
	}
	cfg = config_new(TLS_SERVER, alpn);
	cfg->certs = certset_ref(certs);
	if ((ret = config_common(cfg, random)) == 0 &&
	    (ret = config_server(cfg, random)) == 0)
		return cfg;
	net_mbed_error(why, "TLS cannot be set up", ret);
	tls_config_unref(cfg);
	return NULL;
}

static int
config_client(struct tls_config *cfg, struct span ca_pem)
{
	char *pem;
	int ret;

	mbedtls_ssl_conf_authmode(&cfg->conf, MBEDTLS_SSL_VERIFY_NONE);
	if (ca_pem.len == 0)
		return 0;
	pem = xmalloc(ca_pem.len + 1);
	memcpy(pem, ca_pem.p, ca_pem.len);
	pem[ca_pem.len] = '\0';
	ret = mbedtls_x509_crt_parse(&cfg->ca, (unsigned char *)pem,
	    ca_pem.len + 1);
	free(pem);
	/* Above 0: that many of a system's bundle are of unknown kinds. */
	if (ret < 0)
		return ret;
	if (cfg->is_out)
		return 0;
	mbedtls_ssl_conf_ca_chain(&cfg->conf, &cfg->ca, NULL);
	mbedtls_ssl_conf_authmode(&cfg->conf, MBEDTLS_SSL_VERIFY_REQUIRED);
	return 0;
}

static struct tls_config *
client_new(struct tls_config *cfg, struct span ca_pem, struct random *random,
    struct buf *why)
{
	int ret;

	if ((ret = config_common(cfg, random)) == 0 &&
	    (ret = config_client(cfg, ca_pem)) == 0)
		return cfg;
	net_mbed_error(why, "TLS cannot be set up", ret);
	tls_config_unref(cfg);
	return NULL;
}

struct tls_config *
tls_config_new_client(const char *alpn, struct span ca_pem,
    struct random *random, struct buf *why)
{
	return client_new(config_new(TLS_CLIENT, alpn), ca_pem, random, why);
}

struct tls_config *
tls_config_new_out(struct span ca_pem, struct random *random, struct buf *why)
{
	struct tls_config *cfg = config_new(TLS_CLIENT, NULL);

	cfg->is_out = true;
	return client_new(cfg, ca_pem, random, why);
}

struct tls_config *
tls_config_ref(struct tls_config *cfg)
{
	atomic_fetch_add_explicit(&cfg->refs, 1, memory_order_relaxed);
	return cfg;
}

void
tls_config_unref(struct tls_config *cfg)
{
	if (!cfg || atomic_fetch_sub_explicit(&cfg->refs, 1,
	    memory_order_acq_rel) != 1)
		return;
	mbedtls_ssl_config_free(&cfg->conf);
	mbedtls_ssl_ticket_free(&cfg->ticket);
	mbedtls_x509_crt_free(&cfg->ca);
	certset_unref(cfg->certs);
	free(cfg->alpn_name);
	free(cfg);
}
