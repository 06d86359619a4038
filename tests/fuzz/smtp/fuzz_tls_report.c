/*
 * Who wants reports on TLS: whatever DNS says, an address that comes of it is
 * one that could stand in a header.
 */
#include <assert.h>
#include <string.h>

#include "smtp/tls_report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct tls_rua rua;

	if (tls_report_parse_record(span_make((const char *)data, size), &a,
	    &rua) == PARSE_OK) {
		assert(rua.count <= TLS_REPORT_RUA_MAX);
		for (size_t i = 0; i < rua.count; i++) {
			assert(strchr(rua.address[i], '@'));
			assert(!strpbrk(rua.address[i], "\r\n"));
		}
	}
	arena_release(&a);
	return 0;
}
