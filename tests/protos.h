/*
 * The front-ends by name, with the settings that tests give them.
 */
#ifndef TESTS_PROTOS_H
#define TESTS_PROTOS_H

#include "server/base/session.h"
#include "server/base/span.h"

/*
 * "admin", "imap", "pop3", "smtp" (port 25), "submission"; "out", "out-must"
 * (only with TLS), "out-login" (a smarthost's). NULL: no such
 * front-end.
 */
const struct session_maker *protos_find(struct span name);

#endif
