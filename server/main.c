/*
 * kingpost: one program, many sub-commands.
 */
#include <stdio.h>
#include <string.h>

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		puts("kingpost " KINGPOST_VERSION);
		return 0;
	}
	fputs("kingpost: no command given\n", stderr);
	return 2;
}
