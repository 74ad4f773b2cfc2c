#include "node/http/date.h"

#include <string.h>

static const char days[7][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" }; /* 1970-01-01 first */
static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct",
	"Nov", "Dec" };
enum { DAY_S = 86400 };
static const uint64_t last_s = 253402300799; /* 9999-12-31 23:59:59 */

static bool is_leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned days_of_month(unsigned year, unsigned month)
{
	static const unsigned char n[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	return month == 1 && is_leap(year) ? 29 : n[month];
}

/* Days from 1970-01-01 to the first day of that year. */
static uint64_t days_before_year(unsigned year)
{
	uint64_t y = year - 1;
	return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

static void put_digits(char *to, unsigned n, unsigned digits)
{
	for (; digits > 0; n /= 10)
		to[--digits] = (char)('0' + n % 10);
}

/* By hand: of all fields of an answer it was the one that cost most. */
void http_date_format(char out[HTTP_DATE_BYTES], uint64_t wall_s)
{
	uint64_t s = wall_s > last_s ? last_s : wall_s;
	uint64_t day = s / DAY_S;
	unsigned clock_s = (unsigned)(s % DAY_S);
	unsigned year = 1970 + (unsigned)(day / 366);
	while (days_before_year(year + 1) <= day)
		year++;
	unsigned left = (unsigned)(day - days_before_year(year));
	unsigned month = 0;
	while (left >= days_of_month(year, month))
		left -= days_of_month(year, month++);
	memcpy(out, "www, DD NNN YYYY hh:mm:ss GMT", HTTP_DATE_BYTES);
	memcpy(out, days[day % 7], 3);
	put_digits(out + 5, left + 1, 2);
	memcpy(out + 8, months[month], 3);
	put_digits(out + 12, year, 4);
	put_digits(out + 17, clock_s / 3600, 2);
	put_digits(out + 20, clock_s / 60 % 60, 2);
	put_digits(out + 23, clock_s % 60, 2);
}

/* -- parsing -- */

struct date {
	unsigned year, month, day, hour, minute, second;
};

/* The pattern's letters: D a digit of the day (a space may stand for the first), N the month's name,
 * Y, h, m, s digits, w a letter of a weekday; anything else stands for itself. */
static bool match(struct bytes text, const char *pattern, struct date *out)
{
	struct date d = { 0 };
	size_t n = strlen(pattern);
	if (text.n != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = text.p[i];
		unsigned digit = (unsigned)c - '0';
		unsigned *field = NULL;
		switch (pattern[i]) {
		case 'w':
			if (!((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
				return false;
			continue;
		case 'N':
			while (d.month < 12 && memcmp(text.p + i, months[d.month], 3) != 0)
				d.month++;
			if (d.month == 12)
				return false;
			i += 2;
			continue;
		case 'D':
			field = &d.day;
			if (c == ' ' && d.day == 0)
				continue;
			break;
		case 'Y': field = &d.year; break;
		case 'h': field = &d.hour; break;
		case 'm': field = &d.minute; break;
		case 's': field = &d.second; break;
		default:
			if (c != (uint8_t)pattern[i])
				return false;
			continue;
		}
		if (digit > 9)
			return false;
		*field = *field * 10 + digit;
	}
	*out = d;
	return true;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT": the name of the day has no fixed length. */
static bool match_rfc850(struct bytes text, struct date *d)
{
	size_t comma = bytes_index(text, ',');
	if (comma < 6 || comma > 9 || !match(bytes_from(text, comma), ", DD-NNN-YY hh:mm:ss GMT", d))
		return false;
	/* RFC 9110 lets the reader choose; such dates are of the last century or of this one. */
	d->year += d->year < 70 ? 2000 : 1900;
	return true;
}

enum err http_date_parse(struct bytes text, uint64_t *wall_s)
{
	struct date d;
	if (!match(text, "www, DD NNN YYYY hh:mm:ss GMT", &d) && !match(text, "www NNN DD hh:mm:ss YYYY", &d) &&
	    !match_rfc850(text, &d))
		return ERR_INVALID;
	if (d.year < 1970 || d.day < 1 || d.day > days_of_month(d.year, d.month) || d.hour > 23 ||
	    d.minute > 59 || d.second > 60)
		return ERR_INVALID;
	uint64_t day = days_before_year(d.year) + d.day - 1;
	for (unsigned m = 0; m < d.month; m++)
		day += days_of_month(d.year, m);
	*wall_s = day * DAY_S + d.hour * 3600 + d.minute * 60 + d.second;
	return OK;
}
