/*
 * Any bytes as a date: what can be read is written and read the same.
 */
#include <stdint.h>
#include <stdlib.h>

#include "store/mime/date.h"

#define expect(cond) ((cond) ? (void)0 : __builtin_trap())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span s = span_make((const char *)data, size);
	struct buf out = BUF_INIT;
	int32_t zone_min;
	int64_t utc_s, again;

	if (date_parse_rfc5322(s, &utc_s, &zone_min) == 0) {
		expect(zone_min > -6000 && zone_min < 6000);
		/* A zone may lead out of the years of four digits. */
		date_put_rfc5322(&out, utc_s);
		if (date_parse_rfc5322(buf_span(&out), &again,
		    &zone_min) == 0 && utc_s > -59011459200 &&
		    utc_s < 253402300800)
			expect(again == utc_s && zone_min == 0);
		(void)date_day(utc_s, zone_min);
	}
	buf_clear(&out);
	if (date_parse_imap(s, &utc_s) == 0) {
		date_put_imap(&out, utc_s);
		if (date_parse_imap(buf_span(&out), &again) == 0)
			expect(again == utc_s);
	}
	buf_clear(&out);
	if (date_parse_iso(s, &utc_s) == 0) {
		date_put_iso(&out, utc_s);
		if (date_parse_iso(buf_span(&out), &again) == 0)
			expect(again == utc_s);
	}
	(void)date_parse_imap_day(s, &utc_s);
	buf_release(&out);
	return 0;
}
