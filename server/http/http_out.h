/*
 * Getting documents by HTTPS: struct fetcher (server/base/fetch.h).
 *
 * For each fetch the addresses of the host are looked up and tried in turn,
 * IPv6 first, each with a session of its own that says one GET.
 */
#ifndef SERVER_HTTP_HTTP_OUT_H
#define SERVER_HTTP_HTTP_OUT_H

#include "server/base/env.h"
#include "server/base/fetch.h"

struct http_client;

/* Uses env's dns and dialer, which outlive it. */
struct http_client *http_client_new(struct env *env);

/* For env->fetcher. Lives as long as c. */
struct fetcher *http_client_fetcher(struct http_client *c);

/*
 * Fetches out come home as FETCH_CONNECT; sessions must be gone, or be ended
 * before the loop does anything else. NULL is legal.
 */
void http_client_free(struct http_client *c);

#endif
