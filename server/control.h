/*
 * The control protocol: what `kingpost COMMAND` says to the server that runs,
 * over the local socket in the data folder.
 *
 * The command sends one line: words with a space between, each in percent
 * encoding (codec.h), and CR LF. A word "{n}" is a literal: its n bytes follow
 * the line, those of several literals one after the other. Files that the user
 * names are opened by the command, never by the server; passwords travel as
 * literals.
 *
 * The server answers with lines of JSON, each one object:
 *
 *     {"row": {...}}                   a row of the answer
 *     {"note": "..."}                  a sentence for a person
 *     {"progress": {"done": 1, "total": 9}}
 *     {"bytes": 65536}                 and then so many raw bytes
 *     {"done": true}                   the end; exit status 0
 *     {"error": "...", "exit": 1}      the end; what is wrong and what to do
 */
#ifndef SERVER_CONTROL_H
#define SERVER_CONTROL_H

#define CONTROL_SOCKET "control.sock"	/* in the data folder */
#define CONTROL_LINE_MAX (64u * 1024)
#define CONTROL_LITERAL_MAX (1024u * 1024)	/* all of a line's together */
#define CONTROL_LITERALS 4

/* Exit statuses of every command. */
enum exit_status {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,	/* with a reason */
	EXIT_USAGE = 2
};

#endif
