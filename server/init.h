/*
 * `kingpost init`: a folder with a configuration, a self-signed certificate
 * and an empty store.
 */
#ifndef SERVER_INIT_H
#define SERVER_INIT_H

struct init_options {
	const char *domain;
	const char *hostname;	/* NULL: mail.DOMAIN */
	const char *postmaster;	/* NULL: none */
	const char *dir;
};

/* Overwrites nothing. Returns an exit status. */
int init_run(const struct init_options *o);

#endif
