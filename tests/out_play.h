/*
 * The sending session in a script: the script is the remote server, and what
 * the owner of the session is told comes as lines that begin with "=".
 */
#ifndef TESTS_OUT_PLAY_H
#define TESTS_OUT_PLAY_H

#include "tests/driver.h"

/* For protos.c: settings is a struct smtp_out_params. */
struct session *out_play_make(struct env *env, const void *settings);

/*
 * Gives the session the message that was delivered last:
 *
 *     [OPTION...] FROM TO[:NOTIFY] ...
 *
 * with "-" for the null sender. False if that cannot be read.
 */
bool out_play_send(struct client *c, struct span words);

#endif
