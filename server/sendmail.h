/*
 * What programs of the host call as "sendmail": the message on standard
 * input, recipients as arguments or, with -t, in its header.
 */
#ifndef SERVER_SENDMAIL_H
#define SERVER_SENDMAIL_H

#include <stdbool.h>

/* Whether the program was called by that name. */
bool sendmail_is_called(const char *argv0);

/* Returns an exit status out of sysexits.h. */
int sendmail_run(int argc, char **argv, const char *config_path);

#endif
