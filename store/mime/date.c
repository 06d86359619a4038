#include "store/mime/date.h"

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/mime/scan_priv.h"

#define DAY_S 86400
#define ISO_FRACTION_MAX 9

/* A moment as it is written; month from 1. */
struct stamp {
	int64_t year;
	unsigned month, day, hour, minute, second;
	int32_t zone_min;
};

static const char month_names[12][4] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun",
	"Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
};
static const char day_names[7][4] = {
	"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"
};

/* Rounds down, also below zero. */
static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* How many leap days there are before 1 January of year. */
static int64_t
leap_days_before(int64_t year)
{
	int64_t y = year - 1;

	return floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400);
}

static bool
is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned
days_in_month(int64_t year, unsigned month)
{
	static const unsigned char days[12] = {
		31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
	};

	return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static int64_t
day_number(int64_t year, unsigned month, unsigned day)
{
	int64_t n = (year - 1970) * 365 + leap_days_before(year) -
	    leap_days_before(1970);

	for (unsigned m = 1; m < month; m++)
		n += days_in_month(year, m);
	return n + day - 1;
}

static void
stamp_of_day(struct stamp *t, int64_t n)
{
	int64_t year = 1970 + floor_div(n * 400, 146097);

	/* The guess is at most one year off. */
	while (day_number(year, 1, 1) > n)
		year--;
	while (day_number(year + 1, 1, 1) <= n)
		year++;
	n -= day_number(year, 1, 1);
	t->year = year;
	for (t->month = 1; n >= days_in_month(year, t->month); t->month++)
		n -= days_in_month(year, t->month);
	t->day = (unsigned)n + 1;
}

static void
stamp_of(struct stamp *t, int64_t utc_s)
{
	int64_t day = floor_div(utc_s, DAY_S);
	unsigned s = (unsigned)(utc_s - day * DAY_S);

	*t = (struct stamp){ 0 };
	stamp_of_day(t, day);
	t->hour = s / 3600;
	t->minute = s / 60 % 60;
	t->second = s % 60;
}

static bool
is_day(const struct stamp *t)
{
	return t->month >= 1 && t->month <= 12 && t->day >= 1 &&
	    t->day <= days_in_month(t->year, t->month);
}

/* Checks the ranges; a leap second counts into the next minute. */
static int
stamp_to_utc(const struct stamp *t, int64_t *utc_s)
{
	if (!is_day(t) || t->hour > 23 || t->minute > 59 || t->second > 60)
		return ERR_SYNTAX;
	*utc_s = day_number(t->year, t->month, t->day) * DAY_S +
	    t->hour * 3600 + t->minute * 60 + t->second -
	    (int64_t)t->zone_min * 60;
	return 0;
}

static bool
is_letter(unsigned char c)
{
	c = ascii_lower(c);
	return c >= 'a' && c <= 'z';
}

/* A number of least..most digits that no further digit follows. */
static bool
scan_digits(struct cursor *c, unsigned least, unsigned most, unsigned *n)
{
	const char *p = c->p;
	unsigned count = 0;

	*n = 0;
	for (; p < c->end && *p >= '0' && *p <= '9'; p++) {
		if (++count > most)
			return false;
		*n = *n * 10 + (unsigned)(*p - '0');
	}
	if (count < least)
		return false;
	c->p = p;
	return true;
}

/* A month by its first three letters; longer words are taken too. */
static bool
scan_month(struct cursor *c, unsigned *month)
{
	struct cursor in = *c;
	struct span word = cursor_while(&in, is_letter);

	for (unsigned i = 0; i < COUNT(month_names); i++) {
		if (!span_istarts(word, month_names[i]))
			continue;
		*month = i + 1;
		c->p = in.p;
		return true;
	}
	return false;
}

/* RFC 5322 section 4.3: two digits are 1950..2049, three count from 1900. */
static bool
scan_year(struct cursor *c, int64_t *year)
{
	const char *start = c->p;
	unsigned n;

	if (!scan_digits(c, 2, 4, &n))
		return false;
	*year = n;
	if (c->p - start == 2)
		*year += n < 50 ? 2000 : 1900;
	else if (c->p - start == 3)
		*year += 1900;
	return true;
}

/* hour ":" minute [":" second], white space and comments anywhere. */
static bool
scan_clock(struct cursor *c, struct stamp *t)
{
	if (!scan_digits(c, 1, 2, &t->hour))
		return false;
	scan_cfws(c);
	if (!cursor_skip(c, ':'))
		return false;
	scan_cfws(c);
	if (!scan_digits(c, 1, 2, &t->minute))
		return false;
	scan_cfws(c);
	t->second = 0;
	if (!cursor_skip(c, ':'))
		return true;
	scan_cfws(c);
	return scan_digits(c, 1, 2, &t->second);
}

/* "+0100": four digits after the sign, minutes under 60. */
static bool
scan_offset(struct cursor *c, int32_t *zone_min)
{
	bool west = cursor_peek(c) == '-';
	unsigned n;

	if (!west && cursor_peek(c) != '+')
		return false;
	c->p++;
	if (!scan_digits(c, 4, 4, &n) || n % 100 > 59)
		return false;
	*zone_min = (int32_t)(n / 100 * 60 + n % 100);
	if (west)
		*zone_min = -*zone_min;
	return true;
}

/*
 * RFC 5322 section 4.3: the zones that have names. Military letters were
 * defined wrongly and other names are unknown; both are "-0000", as is a
 * zone that is missing or no zone at all.
 */
static int32_t
scan_zone(struct cursor *c)
{
	static const struct {
		char name[4];
		int32_t hours;
	} zones[] = {
		{ "EST", -5 }, { "EDT", -4 }, { "CST", -6 }, { "CDT", -5 },
		{ "MST", -7 }, { "MDT", -6 }, { "PST", -8 }, { "PDT", -7 }
	};
	struct span name;
	int32_t zone_min;

	if (scan_offset(c, &zone_min))
		return zone_min;
	name = cursor_while(c, is_letter);
	for (size_t i = 0; i < COUNT(zones); i++)
		if (span_iis(name, zones[i].name))
			return zones[i].hours * 60;
	return 0;
}

/* "Mon," or "Mon": asked no further than that it is a word. */
static void
skip_day_name(struct cursor *c)
{
	struct cursor in = *c;
	struct span word = cursor_while(&in, is_letter);
	unsigned month;

	if (word.len == 0 || scan_month(&(struct cursor){ c->p, c->end },
	    &month))
		return;
	*c = in;
	scan_cfws(c);
	if (cursor_skip(c, ','))
		scan_cfws(c);
}

static void
skip_hyphen(struct cursor *c)
{
	scan_cfws(c);
	if (cursor_skip(c, '-'))
		scan_cfws(c);
}

/* "23 Nov 2026 08:42:00 +0000" */
static bool
scan_mail_stamp(struct cursor *c, struct stamp *t)
{
	if (!scan_digits(c, 1, 2, &t->day))
		return false;
	skip_hyphen(c);
	if (!scan_month(c, &t->month))
		return false;
	skip_hyphen(c);
	if (!scan_year(c, &t->year))
		return false;
	scan_cfws(c);
	if (!scan_clock(c, t))
		return false;
	scan_cfws(c);
	t->zone_min = scan_zone(c);
	return true;
}

/* "Nov 23 08:42:00 2026", as C programs print it, maybe a zone in between. */
static bool
scan_c_stamp(struct cursor *c, struct stamp *t)
{
	scan_cfws(c);
	if (!scan_digits(c, 1, 2, &t->day))
		return false;
	scan_cfws(c);
	if (!scan_clock(c, t))
		return false;
	scan_cfws(c);
	t->zone_min = scan_zone(c);
	scan_cfws(c);
	return scan_year(c, &t->year);
}

int
date_parse_rfc5322(struct span s, int64_t *utc_s, int32_t *zone_min)
{
	struct cursor c = cursor_of_span(s);
	struct stamp t = { 0 };
	int err;

	scan_cfws(&c);
	skip_day_name(&c);
	if (scan_month(&c, &t.month) ? !scan_c_stamp(&c, &t) :
	    !scan_mail_stamp(&c, &t))
		return ERR_SYNTAX;
	if ((err = stamp_to_utc(&t, utc_s)) < 0)
		return err;
	*zone_min = t.zone_min;
	return 0;
}

void
date_put_rfc5322(struct buf *out, int64_t utc_s)
{
	int64_t day = floor_div(utc_s, DAY_S);
	struct stamp t;

	stamp_of(&t, utc_s);
	/* 1 January 1970 was a Thursday. */
	day = (day + 4) - floor_div(day + 4, 7) * 7;
	buf_printf(out, "%s, %02u %s %04lld %02u:%02u:%02u +0000",
	    day_names[day], t.day, month_names[t.month - 1],
	    (long long)t.year, t.hour, t.minute, t.second);
}

/* IMAP's "1-Feb-1994" (RFC 9051 section 9 date-text). */
static bool
scan_imap_day(struct cursor *c, struct stamp *t)
{
	unsigned year;

	if (!scan_digits(c, 1, 2, &t->day) || !cursor_skip(c, '-') ||
	    cursor_left(c) < 4 || c->p[3] != '-' ||
	    !scan_month(c, &t->month) || !cursor_skip(c, '-') ||
	    !scan_digits(c, 4, 4, &year))
		return false;
	t->year = year;
	return is_day(t);
}

int
date_parse_imap(struct span s, int64_t *utc_s)
{
	struct cursor c = cursor_of_span(s);
	struct stamp t = { 0 };

	(void)cursor_skip(&c, ' ');	/* date-day-fixed */
	if (!scan_imap_day(&c, &t) || !cursor_skip(&c, ' ') ||
	    cursor_left(&c) < 8 || !scan_digits(&c, 2, 2, &t.hour) ||
	    !cursor_skip(&c, ':') || !scan_digits(&c, 2, 2, &t.minute) ||
	    !cursor_skip(&c, ':') || !scan_digits(&c, 2, 2, &t.second) ||
	    !cursor_skip(&c, ' ') || !scan_offset(&c, &t.zone_min) ||
	    !cursor_at_end(&c))
		return ERR_SYNTAX;
	return stamp_to_utc(&t, utc_s);
}

void
date_put_imap(struct buf *out, int64_t utc_s)
{
	struct stamp t;

	stamp_of(&t, utc_s);
	buf_printf(out, "%2u-%s-%04lld %02u:%02u:%02u +0000", t.day,
	    month_names[t.month - 1], (long long)t.year, t.hour, t.minute,
	    t.second);
}

int
date_parse_imap_day(struct span s, int64_t *day)
{
	struct cursor c = cursor_of_span(s);
	struct stamp t = { 0 };

	if (!scan_imap_day(&c, &t) || !cursor_at_end(&c))
		return ERR_SYNTAX;
	*day = day_number(t.year, t.month, t.day);
	return 0;
}

void
date_put_iso(struct buf *out, int64_t utc_s)
{
	struct stamp t;

	stamp_of(&t, utc_s);
	buf_printf(out, "%04lld-%02u-%02uT%02u:%02u:%02uZ", (long long)t.year,
	    t.month, t.day, t.hour, t.minute, t.second);
}

/* RFC 3339 section 5.6 time-offset. */
static bool
scan_iso_zone(struct cursor *c, int32_t *zone_min)
{
	bool west = cursor_peek(c) == '-';
	unsigned hour, minute;

	if (cursor_skip(c, 'Z') || cursor_skip(c, 'z'))
		return true;
	if (!cursor_skip(c, '-') && !cursor_skip(c, '+'))
		return false;
	if (!scan_digits(c, 2, 2, &hour) || !cursor_skip(c, ':') ||
	    !scan_digits(c, 2, 2, &minute) || hour > 23 || minute > 59)
		return false;
	*zone_min = (int32_t)(hour * 60 + minute);
	if (west)
		*zone_min = -*zone_min;
	return true;
}

int
date_parse_iso(struct span s, int64_t *utc_s)
{
	struct cursor c = cursor_of_span(s);
	struct stamp t = { 0 };
	unsigned year, fraction;

	if (!scan_digits(&c, 4, 4, &year) || !cursor_skip(&c, '-') ||
	    !scan_digits(&c, 2, 2, &t.month) || !cursor_skip(&c, '-') ||
	    !scan_digits(&c, 2, 2, &t.day) ||
	    (!cursor_skip(&c, 'T') && !cursor_skip(&c, 't')) ||
	    !scan_digits(&c, 2, 2, &t.hour) || !cursor_skip(&c, ':') ||
	    !scan_digits(&c, 2, 2, &t.minute) || !cursor_skip(&c, ':') ||
	    !scan_digits(&c, 2, 2, &t.second))
		return ERR_SYNTAX;
	t.year = year;
	if (cursor_skip(&c, '.') &&
	    !scan_digits(&c, 1, ISO_FRACTION_MAX, &fraction))
		return ERR_SYNTAX;
	if (!scan_iso_zone(&c, &t.zone_min) || !cursor_at_end(&c))
		return ERR_SYNTAX;
	return stamp_to_utc(&t, utc_s);
}

int64_t
date_day(int64_t utc_s, int32_t zone_min)
{
	return floor_div(utc_s + (int64_t)zone_min * 60, DAY_S);
}
