#include "ctl/units.h"

#include <stdio.h>

char *units_bytes(char out[UNITS_TEXT_MAX], uint64_t bytes)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned unit = 0;
	double n = (double)bytes;
	/* From 1023.5 on a whole number would be printed as 1024. */
	while (n >= 1023.5 && unit + 1 < sizeof(names) / sizeof(names[0])) {
		n /= 1024;
		unit++;
	}
	/* 9.95 would be printed as 10.0 with one digit: four characters at most. */
	if (unit == 0 || n >= 99.5)
		snprintf(out, UNITS_TEXT_MAX, "%.0f %s", n, names[unit]);
	else if (n >= 9.995)
		snprintf(out, UNITS_TEXT_MAX, "%.1f %s", n, names[unit]);
	else
		snprintf(out, UNITS_TEXT_MAX, "%.2f %s", n, names[unit]);
	return out;
}

char *units_age(char out[UNITS_TEXT_MAX], uint64_t ms)
{
	static const struct {
		uint64_t s;
		const char *name;
	} units[] = { { 24 * 3600, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	uint64_t s = ms / 1000;
	unsigned i = 0;
	/* Below two of a unit the next smaller one says more: 90 min, not 1 h. */
	while (i < 3 && s < 2 * units[i].s)
		i++;
	snprintf(out, UNITS_TEXT_MAX, "%llu %s", (unsigned long long)(s / units[i].s), units[i].name);
	return out;
}

char *units_permille(char out[UNITS_TEXT_MAX], uint64_t permille)
{
	unsigned long long whole = permille / 10, tenth = permille % 10;
	if (tenth == 0)
		snprintf(out, UNITS_TEXT_MAX, "%llu %%", whole);
	else
		snprintf(out, UNITS_TEXT_MAX, "%llu.%llu %%", whole, tenth);
	return out;
}
