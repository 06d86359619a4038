/*
 * The command's side of administration: gathers what its user has to give,
 * asks the running server or does it here, and shows the answer.
 */
#ifndef SERVER_COMMAND_H
#define SERVER_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "server/admin.h"
#include "server/base/span.h"

/* Options that may stand anywhere on the command line. */
struct command_options {
	const char *config_path;
	bool json;
	bool yes;
	bool generate;
	bool password_stdin;
	const char *storage, *messages;	/* `user quota`; NULL: not given */
};

/*
 * Runs a row of the table with its arguments. words is the command's name as
 * given. Returns an exit status.
 */
int command_run(const struct admin_command *c, char **args, int arg_count,
    const struct command_options *o);

/* The command `send` with this message instead of standard input. */
int command_send(const char *sender, char **rcpts, size_t rcpt_count,
    struct span message, const struct command_options *o);

#endif
