/*
 * `kingpost serve`: builds everything in order, runs, tears down in reverse.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "server/config.h"

/*
 * Serves until SIGTERM or SIGINT. Returns an exit status; what went wrong is
 * on standard error. Takes nothing; config_path is read again at SIGHUP.
 * Without is_testing a configuration with a testing section is refused.
 */
int server_run(const char *config_path, bool is_testing);

#endif
