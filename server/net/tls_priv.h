/*
 * What certs and TLS share of mbedTLS, for both of its versions.
 */
#ifndef SERVER_NET_TLS_PRIV_H
#define SERVER_NET_TLS_PRIV_H

#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#include <stdatomic.h>

#include "server/net/certs.h"
#include "server/net/tls.h"

/*
 * Handshakes run on several workers and share certificates, keys and ticket
 * keys; the library's own locks make that safe.
 */
#if !defined(MBEDTLS_THREADING_C)
#error "mbedTLS must be built with MBEDTLS_THREADING_C"
#endif

/* What a peer has shown is verified after the handshake (tls_verify.c). */
#if !defined(MBEDTLS_SSL_KEEP_PEER_CERTIFICATE)
#error "mbedTLS must be built with MBEDTLS_SSL_KEEP_PEER_CERTIFICATE"
#endif

#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#define MBEDTLS_IS_3 1
#else
#define MBEDTLS_IS_3 0
#endif

/* mbedTLS's way to ask for random bytes; random is a struct random. */
int net_rng(void *random, unsigned char *p, size_t len);

/* "text (-0x2700)" without a trailing line end. */
void net_mbed_error(struct buf *why, const char *text, int ret);

/* One certificate of a set; read-only once it is in. */
mbedtls_x509_crt *certset_chain(struct certset *set, size_t i);
mbedtls_pk_context *certset_key(struct certset *set, size_t i);

struct tls_config {
	atomic_uint refs;
	enum tls_role role;
	mbedtls_ssl_config conf;
	mbedtls_ssl_ticket_context ticket;	/* has a lock of its own */
	mbedtls_x509_crt ca;			/* a client's trust */
	bool is_out;				/* see tls_new_out */
	struct certset *certs;			/* a server's */
	const char *alpn[2];
	char *alpn_name;
};

/* For mbedtls_ssl_conf_sni: chooses from the set, notes it in the tls. */
int tls_on_server_name(void *cfg, mbedtls_ssl_context *ssl,
    const unsigned char *name, size_t len);

/*
 * Whether the chain a server has shown satisfies want; ca is what TLS_PKIX
 * trusts. chain NULL: it has shown none.
 */
enum tls_fault tls_verify(mbedtls_x509_crt *chain, mbedtls_x509_crt *ca,
    const struct tls_want *want);

/* In plain words; "" for TLS_FAULT_NONE. */
const char *tls_fault_text(enum tls_fault fault);

#endif
