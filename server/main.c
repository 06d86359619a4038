/*
 * kingpost: one program, many sub-commands.
 *
 * Options may stand before or after the command and its arguments; "--" ends
 * them. Exit status: 0 done, 1 refused with a reason, 2 usage.
 */
#include <stdio.h>
#include <stdlib.h>

#include "server/admin.h"
#include "server/base/random.h"
#include "server/base/xalloc.h"
#include "server/command.h"
#include "server/init.h"
#include "server/sendmail.h"
#include "server/server.h"

#ifndef KINGPOST_SYSCONFDIR
#define KINGPOST_SYSCONFDIR "/etc"
#endif
#define DEFAULT_CONFIG KINGPOST_SYSCONFDIR "/kingpost/kingpost.conf"

struct line {
	struct command_options options;
	struct init_options init;
	char **words;
	int word_count;
	bool help, version, testing;
};

/* ---- help ---- */

static const char serve_help[] =
	"usage: kingpost serve\n\n"
	"Serves mail until SIGTERM. Reads the configuration once; SIGHUP\n"
	"reads certificates and log settings again. Started as root it binds\n"
	"its ports, then becomes the user that the configuration names.\n\n"
	"  --testing    allow the configuration's testing section: for tests\n"
	"               only, mail goes astray with it\n\n"
	"  kingpost --config /etc/kingpost/kingpost.conf serve\n";

static const char init_help[] =
	"usage: kingpost init --domain DOMAIN [--hostname NAME]\n"
	"                     [--postmaster ADDRESS] DIR\n\n"
	"Makes DIR with a configuration, a self-signed certificate and an\n"
	"empty store for DOMAIN. Overwrites nothing. NAME is the server's name\n"
	"in DNS, mail.DOMAIN if not given.\n\n"
	"  kingpost init --domain example.org /etc/kingpost\n"
	"  kingpost init --domain example.org --hostname mx.example.org \\\n"
	"      --postmaster alice@example.org /etc/kingpost\n";

static void
show_help(FILE *f)
{
	fputs("usage: kingpost [--config FILE] [--json] COMMAND ...\n\n"
	    "A mail server: SMTP, POP3 and IMAP over one store.\n\n"
	    "Commands:\n"
	    "  init               make a configuration and an empty store\n"
	    "  serve              serve mail\n", f);
	for (const struct admin_command *c = admin_commands; c->name; c++)
		fprintf(f, "  %-18s %s\n", c->name, c->summary);
	fputs("\nOptions, before or after the command:\n"
	    "  --config FILE      the configuration; otherwise "
	    "$KINGPOST_CONFIG, or\n"
	    "                     " DEFAULT_CONFIG "\n"
	    "  --json             answer with lines of JSON\n"
	    "  --yes              do not ask\n"
	    "  --generate         make a password and show it once\n"
	    "  --password-stdin   read the password from standard input\n"
	    "  --storage SIZE, --messages N   see `kingpost user quota "
	    "--help`\n"
	    "  --help             help, also after a command\n"
	    "  --version\n\n"
	    "`kingpost help COMMAND` explains a command, with examples.\n"
	    "Exit status: 0 done, 1 refused with a reason, 2 usage.\n", f);
}

static void
show_command_help(const struct admin_command *c)
{
	printf("usage: kingpost %s %s\n\n%s.\n\n%s", c->name, c->args,
	    c->summary, c->help);
}

/* ---- the command line ---- */

static int
usage_error(const char *what, const char *arg)
{
	fprintf(stderr, "kingpost: %s%s%s; see kingpost --help\n", what,
	    arg ? " " : "", arg ? arg : "");
	return EXIT_USAGE;
}

/*
 * "--key VALUE" or "--key=VALUE". True if argv[*i] is this option; *value is
 * NULL then if its value is missing.
 */
static bool
takes_value(char **argv, int *i, const char *key, const char **value)
{
	size_t n = strlen(key);

	if (strncmp(argv[*i], key, n) != 0)
		return false;
	if (argv[*i][n] == '=') {
		*value = argv[*i] + n + 1;
		return true;
	}
	if (argv[*i][n] != '\0')
		return false;
	*value = argv[*i + 1];
	if (*value)
		++*i;
	return true;
}

static bool
is_flag(struct line *l, const char *arg)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{ "--json", &l->options.json }, { "--yes", &l->options.yes },
		{ "--generate", &l->options.generate },
		{ "--password-stdin", &l->options.password_stdin },
		{ "--help", &l->help }, { "-h", &l->help },
		{ "--version", &l->version }, { "--testing", &l->testing },
	};

	for (size_t i = 0; i < COUNT(flags); i++) {
		if (strcmp(arg, flags[i].name) == 0) {
			*flags[i].flag = true;
			return true;
		}
	}
	return false;
}

static int
parse_line(struct line *l, int argc, char **argv)
{
	const struct {
		const char *name;
		const char **value;
	} options[] = {
		{ "--config", &l->options.config_path },
		{ "--domain", &l->init.domain },
		{ "--hostname", &l->init.hostname },
		{ "--postmaster", &l->init.postmaster },
		{ "--storage", &l->options.storage },
		{ "--messages", &l->options.messages },
	};
	bool only_words = false;

	for (int i = 1; i < argc; i++) {
		bool known = false;

		if (only_words || argv[i][0] != '-' || !argv[i][1]) {
			l->words[l->word_count++] = argv[i];
			continue;
		}
		if (strcmp(argv[i], "--") == 0) {
			only_words = true;
			continue;
		}
		for (size_t o = 0; o < COUNT(options) && !known; o++) {
			known = takes_value(argv, &i, options[o].name,
			    options[o].value);
			if (known && !*options[o].value)
				return usage_error("a value is missing after",
				    options[o].name);
		}
		if (!known && !is_flag(l, argv[i]))
			return usage_error("unknown option", argv[i]);
	}
	return 0;
}

/* The row that the first words name, and how many words that is. */
static const struct admin_command *
find_command(const struct line *l, int *words)
{
	for (const struct admin_command *c = admin_commands; c->name; c++) {
		struct span name = span_of(c->name);
		const char *space = strchr(c->name, ' ');
		size_t first = space ? (size_t)(space - c->name) : name.len;

		if (l->word_count < 1 || !span_is(span_head(name, first),
		    l->words[0]))
			continue;
		*words = 1;
		if (!space)
			return c;
		if (l->word_count < 2 || strcmp(space + 1, l->words[1]) != 0)
			continue;
		*words = 2;
		return c;
	}
	return NULL;
}

/* "kingpost user": what goes on from there. */
static int
show_family(const struct line *l)
{
	struct buf prefix = BUF_INIT;
	bool any = false;

	buf_printf(&prefix, "%s ", l->words[0]);
	for (const struct admin_command *c = admin_commands; c->name; c++) {
		if (!span_starts(span_of(c->name), prefix.p))
			continue;
		any = true;
		fprintf(l->help ? stdout : stderr, "kingpost %s %s\n    %s\n",
		    c->name, c->args, c->summary);
	}
	buf_release(&prefix);
	if (!any)
		return usage_error("unknown command", l->words[0]);
	return l->help ? EXIT_DONE : EXIT_USAGE;
}

static int
run_admin(struct line *l)
{
	int words = 0, count;
	const struct admin_command *c = find_command(l, &words);
	bool files;

	if (!c)
		return show_family(l);
	if (l->help) {
		show_command_help(c);
		return EXIT_DONE;
	}
	count = l->word_count - words;
	files = c->needs == NEEDS_PEM_FILES || c->needs == NEEDS_TARGET_FILE;
	if (files ? count != (c->needs == NEEDS_PEM_FILES ? 2 : 1) :
	    count < (int)c->min || count > (int)c->max) {
		fprintf(stderr, "usage: kingpost %s %s\n", c->name, c->args);
		return EXIT_USAGE;
	}
	return command_run(c, l->words + words, count, &l->options);
}

static int
run_init(struct line *l)
{
	if (l->help) {
		fputs(init_help, stdout);
		return EXIT_DONE;
	}
	if (l->word_count != 2 || !l->init.domain) {
		fputs(init_help, stderr);
		return EXIT_USAGE;
	}
	l->init.dir = l->words[1];
	return init_run(&l->init);
}

static int
run_serve(struct line *l)
{
	if (l->help) {
		fputs(serve_help, stdout);
		return EXIT_DONE;
	}
	if (l->word_count != 1)
		return usage_error("serve takes no arguments", NULL);
	return server_run(l->options.config_path, l->testing);
}

static int
run_line(struct line *l)
{
	if (l->version) {
		puts("kingpost " KINGPOST_VERSION);
		return EXIT_DONE;
	}
	if (l->word_count && strcmp(l->words[0], "help") == 0) {
		l->help = true;
		l->words++;
		l->word_count--;
	}
	if (l->word_count == 0) {
		show_help(l->help ? stdout : stderr);
		return l->help ? EXIT_DONE : EXIT_USAGE;
	}
	if (strcmp(l->words[0], "init") == 0)
		return run_init(l);
	if (strcmp(l->words[0], "serve") == 0)
		return run_serve(l);
	return run_admin(l);
}

int
main(int argc, char **argv)
{
	struct line l = { .word_count = 0 };
	const char *env_config = getenv("KINGPOST_CONFIG");
	char **words = xcalloc((size_t)argc + 1, sizeof *words);
	int status;

	if (base_random_start() < 0) {
		fprintf(stderr, "kingpost: the system has no random "
		    "numbers\n");
		return EXIT_REFUSED;
	}
	if (sendmail_is_called(argv[0])) {
		free(words);
		return sendmail_run(argc, argv, env_config && *env_config ?
		    env_config : DEFAULT_CONFIG);
	}
	l.words = words;
	l.options.config_path = env_config && *env_config ? env_config :
	    DEFAULT_CONFIG;
	status = parse_line(&l, argc, argv);
	if (status == 0)
		status = run_line(&l);
	free(words);
	if (fflush(stdout) != 0 && status == EXIT_DONE)
		status = EXIT_REFUSED;
	return status;
}
