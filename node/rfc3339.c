#include "node/rfc3339.h"

#include <stdio.h>

enum { DAY_S = 86400 };

/* Days since 1970-01-01 and back, by eras of 400 years that start in March (Hinnant, "chrono-compatible
 * low-level date algorithms", 2013). */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
	year -= month <= 2;
	int64_t era = year / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + (int64_t)day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_of(uint64_t days, unsigned *year, unsigned *month, unsigned *day)
{
	uint64_t z = days + 719468;
	uint64_t era = z / 146097, day_of_era = z % 146097;
	uint64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	uint64_t from_march = (5 * day_of_year + 2) / 153;
	*day = (unsigned)(day_of_year - (153 * from_march + 2) / 5 + 1);
	*month = (unsigned)(from_march < 10 ? from_march + 3 : from_march - 9);
	*year = (unsigned)(year_of_era + era * 400 + (*month <= 2));
}

static const uint64_t last_s = 253402300799; /* 9999-12-31T23:59:59Z */

static char *put_digits(char *out, unsigned v, unsigned n)
{
	for (unsigned i = n; i-- > 0; v /= 10)
		out[i] = (char)('0' + v % 10);
	return out + n;
}

static void put_seconds(char *out, uint64_t unix_s)
{
	if (unix_s > last_s)
		unix_s = last_s;
	unsigned year, month, day, s = (unsigned)(unix_s % DAY_S);
	date_of(unix_s / DAY_S, &year, &month, &day);
	const struct {
		unsigned value, digits;
		char before_next;
	} parts[] = { { year, 4, '-' }, { month, 2, '-' }, { day, 2, 'T' }, { s / 3600, 2, ':' },
		{ s / 60 % 60, 2, ':' }, { s % 60, 2, 'Z' } };
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		out = put_digits(out, parts[i].value, parts[i].digits);
		*out++ = parts[i].before_next;
	}
	*out = '\0';
}

void rfc3339_seconds(char out[RFC3339_SECONDS_LEN + 1], uint64_t unix_s)
{
	put_seconds(out, unix_s);
}

void rfc3339_micros(char out[RFC3339_MICROS_LEN + 1], uint64_t unix_us)
{
	put_seconds(out, unix_us / 1000000);
	snprintf(out + RFC3339_SECONDS_LEN - 1, 9, ".%06uZ", (unsigned)(unix_us % 1000000));
}

/* Exactly `n` digits at text[at], or false. */
static bool digits(struct bytes text, size_t at, size_t n, unsigned *out)
{
	unsigned v = 0;
	if (at + n > text.n)
		return false;
	for (size_t i = at; i < at + n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		v = v * 10 + (unsigned)(text.p[i] - '0');
	}
	*out = v;
	return true;
}

static bool is(struct bytes text, size_t at, char c)
{
	return at < text.n && (text.p[at] == c || (c >= 'a' && c <= 'z' && text.p[at] == c - 'a' + 'A'));
}

/* "Z", "+09:00", "-00:30": seconds to subtract. */
static bool offset(struct bytes text, size_t at, int64_t *offset_s)
{
	unsigned h, m;
	if (is(text, at, 'z')) {
		*offset_s = 0;
		return at + 1 == text.n;
	}
	if (at + 6 != text.n || (text.p[at] != '+' && text.p[at] != '-') || !digits(text, at + 1, 2, &h) ||
	    text.p[at + 3] != ':' || !digits(text, at + 4, 2, &m) || h > 23 || m > 59)
		return false;
	*offset_s = (int64_t)(h * 3600 + m * 60) * (text.p[at] == '-' ? -1 : 1);
	return true;
}

static unsigned days_in(unsigned year, unsigned month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

enum err rfc3339_parse(struct bytes text, uint64_t *unix_s)
{
	unsigned year, month, day, h, m, s;
	if (!digits(text, 0, 4, &year) || !is(text, 4, '-') || !digits(text, 5, 2, &month) || !is(text, 7, '-') ||
	    !digits(text, 8, 2, &day) || !(is(text, 10, 't') || is(text, 10, ' ')) || !digits(text, 11, 2, &h) ||
	    !is(text, 13, ':') || !digits(text, 14, 2, &m) || !is(text, 16, ':') || !digits(text, 17, 2, &s))
		return ERR_INVALID;
	if (month < 1 || month > 12 || day < 1 || day > days_in(year, month) || h > 23 || m > 59 || s > 60)
		return ERR_INVALID;
	size_t at = 19;
	if (at < text.n && text.p[at] == '.') {
		size_t from = ++at;
		while (at < text.n && text.p[at] >= '0' && text.p[at] <= '9')
			at++;
		if (at == from)
			return ERR_INVALID;
	}
	int64_t offset_s;
	if (!offset(text, at, &offset_s))
		return ERR_INVALID;
	int64_t t = days_of(year, month, day) * DAY_S + (int64_t)(h * 3600 + m * 60 + s) - offset_s;
	if (t < 0)
		return ERR_INVALID;
	*unix_s = (uint64_t)t;
	return OK;
}
