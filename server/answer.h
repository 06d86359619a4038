/*
 * Reading and showing a server's answer (control.h): a table for people, or
 * its JSON as it is; a progress bar where there is a terminal.
 */
#ifndef SERVER_ANSWER_H
#define SERVER_ANSWER_H

#include <jansson.h>
#include <stdbool.h>

#include "server/base/buf.h"

struct answer {
	bool as_json;
	int file_fd;		/* where raw bytes go; -1: nowhere */
	struct buf in;		/* not understood yet */
	size_t bytes_left;	/* raw bytes to come */
	json_t *rows;
	bool has_ended;
	bool has_bar;
	int exit;		/* once it has ended */
	int err;		/* 0, or ERR_IO when the file is in trouble */
};

void answer_init(struct answer *a, bool as_json, int file_fd);
void answer_release(struct answer *a);

/* More of the answer. */
void answer_add(struct answer *a, const char *p, size_t len);

/* Prints what is to be printed at the end: the table. */
void answer_show(struct answer *a);

#endif
