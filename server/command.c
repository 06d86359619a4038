#include "server/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "server/answer.h"
#include "server/base/codec.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "server/config.h"
#include "server/local.h"
#include "server/net/certs.h"

#define PASSWORD_LINE_MAX 4096

/* ---- what the user has to give ---- */

static void
wipe(struct buf *b)
{
	if (b->cap)
		explicit_bzero(b->p, b->cap);
	buf_release(b);
}

/* One line of fd, without its end. 0 or ERR_IO at its end. */
static int
read_line(int fd, struct buf *line)
{
	char c;
	ssize_t n;

	buf_reserve(line, PASSWORD_LINE_MAX);
	while ((n = read(fd, &c, 1)) == 1 && c != '\n' &&
	    line->len < PASSWORD_LINE_MAX)
		buf_addc(line, c);
	if (line->len && line->p[line->len - 1] == '\r')
		buf_truncate(line, line->len - 1);
	return n < 0 || (n == 0 && line->len == 0) ? ERR_IO : 0;
}

static int
ask(int tty, const char *prompt, bool echo, struct buf *line)
{
	struct termios old, quiet;
	int err;

	if (tcgetattr(tty, &old) < 0)
		return ERR_IO;
	quiet = old;
	if (!echo)
		quiet.c_lflag &= ~(tcflag_t)ECHO;
	/* First this: it drops what is typed, which the prompt invites. */
	(void)tcsetattr(tty, TCSAFLUSH, &quiet);
	dprintf(tty, "%s", prompt);
	err = read_line(tty, line);
	(void)tcsetattr(tty, TCSAFLUSH, &old);
	if (!echo)
		dprintf(tty, "\n");
	return err;
}

/* A password typed twice, or a line of standard input. */
static int
get_password(const struct command_options *o, struct buf *password)
{
	struct buf again = BUF_INIT;
	int tty, err;

	if (o->password_stdin) {
		if (read_line(0, password) == 0)
			return 0;
		fprintf(stderr, "kingpost: there is no password on standard "
		    "input\n");
		return ERR_IO;
	}
	tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0) {
		fprintf(stderr, "kingpost: there is no terminal to ask for "
		    "the password; use --password-stdin or --generate\n");
		return ERR_IO;
	}
	err = ask(tty, "Password: ", false, password);
	if (err == 0)
		err = ask(tty, "Once more: ", false, &again);
	if (err == 0 && !span_eq(buf_span(password), buf_span(&again))) {
		fprintf(stderr, "kingpost: the two are not the same; nothing "
		    "was changed\n");
		err = ERR_REFUSED;
	}
	close(tty);
	wipe(&again);
	return err;
}

static int
get_yes(const struct admin_command *c, char **args,
    const struct command_options *o)
{
	struct buf line = BUF_INIT;
	int tty, err = ERR_REFUSED;

	if (o->yes)
		return 0;
	tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0) {
		fprintf(stderr, "kingpost: %s %s cannot be undone; say --yes "
		    "if you are sure\n", c->name, args[0]);
		return err;
	}
	dprintf(tty, "%s %s, with all its mail. ", c->name, args[0]);
	if (ask(tty, "Type yes to go on: ", true, &line) == 0 &&
	    span_iis(buf_span(&line), "yes"))
		err = 0;
	else
		fprintf(stderr, "kingpost: nothing was changed\n");
	close(tty);
	buf_release(&line);
	return err;
}

/* ---- the request ---- */

static void
put_word(struct buf *line, const char *word)
{
	if (line->len)
		buf_addc(line, ' ');
	percent_encode(line, span_of(word));
}

static void
put_name(struct buf *line, const char *name)
{
	const char *space = strchr(name, ' ');

	if (!space) {
		put_word(line, name);
		return;
	}
	buf_add(line, name, (size_t)(space - name));
	put_word(line, space + 1);
}

/* An option that is the command's own travels as a word. */
static void
put_option(struct buf *line, const char *name, const char *value)
{
	struct buf word = BUF_INIT;

	if (!value)
		return;
	buf_printf(&word, "%s=%s", name, value);
	put_word(line, word.p);
	buf_release(&word);
}

/* One byte more than may be: the server says what is wrong. */
static int
read_stdin(struct buf *out)
{
	char chunk[8192];
	ssize_t n;

	while (out->len <= SEND_MAX &&
	    (n = read(0, chunk, sizeof chunk)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fprintf(stderr, "kingpost: cannot read standard "
			    "input: %s\n", strerror(errno));
			return ERR_IO;
		}
		buf_add(out, chunk, (size_t)n);
	}
	return 0;
}

static int
put_literals(const struct admin_command *c, char **args,
    const struct command_options *o, struct buf *line, struct buf *literals)
{
	struct buf why = BUF_INIT;
	size_t start;

	if (c->needs == NEEDS_YES)
		return get_yes(c, args, o);
	if (c->needs == NEEDS_PASSWORD && !o->generate) {
		if (get_password(o, literals) < 0)
			return ERR_REFUSED;
		buf_printf(line, " {%zu}", literals->len);
	}
	if (c->needs == NEEDS_MESSAGE) {
		if (read_stdin(literals) < 0)
			return ERR_IO;
		buf_printf(line, " {%zu}", literals->len);
	}
	if (c->needs != NEEDS_PEM_FILES)
		return 0;
	for (int i = 0; i < 2; i++) {
		start = literals->len;
		if (config_read_file(args[i], 2 * CERT_FILE_MAX, literals,
		    &why) < 0) {
			fprintf(stderr, "kingpost: %s\n", why.p);
			buf_release(&why);
			return ERR_IO;
		}
		buf_printf(line, " {%zu}", literals->len - start);
	}
	return 0;
}

/* The line and what follows it. Files do not travel, their bytes do. */
static int
make_request(const struct admin_command *c, char **args, int arg_count,
    const struct command_options *o, struct buf *request)
{
	struct buf literals = BUF_INIT;
	bool files = c->needs == NEEDS_PEM_FILES ||
	    c->needs == NEEDS_TARGET_FILE;
	int err;

	put_name(request, c->name);
	for (int i = 0; i < arg_count && !files; i++)
		put_word(request, args[i]);
	put_option(request, "storage", o->storage);
	put_option(request, "messages", o->messages);
	err = put_literals(c, args, o, request, &literals);
	buf_adds(request, "\r\n");
	buf_reserve(request, literals.len);
	buf_addspan(request, buf_span(&literals));
	wipe(&literals);
	return err;
}

/* ---- asking ---- */

/*
 * The running server's socket; ERR_NOTFOUND when no server runs, other
 * errors with a sentence. The folder is opened first and the socket named
 * through it, because sun_path is short.
 */
static int
connect_server(const struct config *c, struct buf *why)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int dir = open(c->data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd, saved;

	if (dir < 0 && errno == ENOENT)
		return ERR_NOTFOUND;
	if (dir < 0) {
		buf_printf(why, "cannot open the data folder %s: %s",
		    c->data_dir, strerror(errno));
		return ERR_DENIED;
	}
	(void)snprintf(sa.sun_path, sizeof sa.sun_path, "/proc/self/fd/%d/%s",
	    dir, CONTROL_SOCKET);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0) {
		close(dir);
		return fd;
	}
	saved = errno;
	close(fd);
	close(dir);
	if (saved == ENOENT || saved == ECONNREFUSED)
		return ERR_NOTFOUND;
	buf_printf(why, "cannot reach the server through %s/%s: %s; run this "
	    "as root or as the user who owns that folder", c->data_dir,
	    CONTROL_SOCKET, strerror(saved));
	return ERR_DENIED;
}

static int
send_all(int fd, struct span s)
{
	while (s.len) {
		ssize_t n = send(fd, s.p, s.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ERR_IO;
		s = span_from(s, (size_t)n);
	}
	return 0;
}

static int
ask_server(int fd, struct span request, struct answer *a, struct buf *why)
{
	char chunk[65536];
	ssize_t n;

	if (send_all(fd, request) < 0) {
		buf_adds(why, "the server has hung up");
		return ERR_IO;
	}
	while (!a->has_ended && a->err == 0) {
		n = read(fd, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			buf_adds(why, "the server has hung up; see its log");
			return ERR_IO;
		}
		answer_add(a, chunk, (size_t)n);
	}
	return a->err;
}

struct answer_sink {
	struct local_sink sink;
	struct answer *answer;
};

static void
sink_take(struct local_sink *sink, struct buf *out)
{
	struct answer_sink *s = (struct answer_sink *)(void *)sink;

	answer_add(s->answer, out->p, out->len);
}

static int
get_answer(const struct config *c, struct span request, struct answer *a,
    struct buf *why)
{
	struct answer_sink sink = { { sink_take }, a };
	int fd = connect_server(c, why);
	int err;

	if (fd >= 0) {
		err = ask_server(fd, request, a, why);
		close(fd);
		return err;
	}
	if (fd != ERR_NOTFOUND)
		return fd;
	err = local_run(c, request, &sink.sink, why);
	if (err == 0 && !a->has_ended) {
		buf_adds(why, "the command did not come to an end");
		err = ERR_STORE;
	}
	return err;
}

/* ---- a file to be written ---- */

/*
 * The copy is written as FILE.part and renamed when it is whole and on disk,
 * so a file called FILE is never half a backup.
 */
static int
open_part(const char *path, char **part)
{
	struct buf b = BUF_INIT;
	int fd;

	if (access(path, F_OK) == 0) {
		fprintf(stderr, "kingpost: %s exists already; choose another "
		    "name or move it away\n", path);
		return -1;
	}
	buf_printf(&b, "%s.part", path);
	*part = buf_take(&b);
	fd = open(*part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	if (fd < 0)
		fprintf(stderr, "kingpost: cannot write %s: %s\n", *part,
		    strerror(errno));
	return fd;
}

static int
keep_part(int fd, const char *part, const char *path)
{
	if (fsync(fd) == 0 && rename(part, path) == 0)
		return 0;
	fprintf(stderr, "kingpost: cannot finish %s: %s\n", path,
	    strerror(errno));
	return ERR_IO;
}

/* ---- the command ---- */

static void
print_json_error(const char *why)
{
	json_t *j = json_pack("{s:s,s:i}", "error", why, "exit",
	    EXIT_REFUSED);

	(void)json_dumpf(j, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(j);
}

static int
run_request(const struct config *c, struct span request,
    const struct command_options *o, int file_fd)
{
	struct answer a;
	struct buf why = BUF_INIT;
	int status = EXIT_REFUSED;

	answer_init(&a, o->json, file_fd);
	if (get_answer(c, request, &a, &why) == 0)
		status = a.exit;
	else if (why.len && o->json)
		print_json_error(why.p);
	else if (why.len)
		fprintf(stderr, "kingpost: %s\n", why.p);
	answer_show(&a);
	answer_release(&a);
	buf_release(&why);
	return status;
}

int
command_run(const struct admin_command *c, char **args, int arg_count,
    const struct command_options *o)
{
	struct buf request = BUF_INIT, why = BUF_INIT;
	struct config *config = config_read(o->config_path, &why);
	char *part = NULL;
	int status = EXIT_REFUSED, fd = -1;

	if (!config) {
		fprintf(stderr, "kingpost: %s\n", why.p);
		goto out;
	}
	if (make_request(c, args, arg_count, o, &request) < 0)
		goto out;
	if (c->needs == NEEDS_TARGET_FILE && (fd = open_part(args[0],
	    &part)) < 0)
		goto out;
	status = run_request(config, buf_span(&request), o, fd);
	if (fd >= 0 && status == EXIT_DONE &&
	    keep_part(fd, part, args[0]) < 0)
		status = EXIT_REFUSED;
	if (fd >= 0 && status != EXIT_DONE)
		(void)unlink(part);
out:
	if (fd >= 0)
		close(fd);
	free(part);
	wipe(&request);
	buf_release(&why);
	config_free(config);
	return status;
}

int
command_send(const char *sender, char **rcpts, size_t rcpt_count,
    struct span message, const struct command_options *o)
{
	struct buf request = BUF_INIT, why = BUF_INIT;
	struct config *config = config_read(o->config_path, &why);
	int status = EXIT_REFUSED;

	if (config) {
		put_word(&request, "send");
		put_word(&request, sender);
		for (size_t i = 0; i < rcpt_count; i++)
			put_word(&request, rcpts[i]);
		buf_printf(&request, " {%zu}\r\n", message.len);
		buf_addspan(&request, message);
		status = run_request(config, buf_span(&request), o, -1);
	} else {
		fprintf(stderr, "kingpost: %s\n", why.p);
	}
	buf_release(&request);
	buf_release(&why);
	config_free(config);
	return status;
}
