/*
 * Functions nobody may call, force-included in every compilation.
 *
 * The declaring system headers come first, so that the poison below catches
 * uses and not declarations. clock.c is the one file that opts out.
 */
#ifndef SERVER_BASE_BANNED_H
#define SERVER_BASE_BANNED_H

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>
#include <time.h>

#ifndef KINGPOST_CLOCK_C
/* glibc has it as a macro, which clang does not like to see poisoned. */
#undef alloca
#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strncat strtok
#pragma GCC poison atoi atol gets gmtime localtime ctime asctime
#pragma GCC poison gethostbyname alloca system popen
#ifndef KINGPOST_USES_UV	/* uv.h names a kind of request so */
#pragma GCC poison getaddrinfo
#endif
#pragma GCC poison rand srand random_r
#pragma GCC poison clock_gettime gettimeofday timespec_get
/* time is a common word; only the call is banned. */
#define time(x) time_is_banned_use_env_clock(x)
#endif

#endif
