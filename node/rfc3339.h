/* Times as in RFC 3339. Pure; no time zone database: proleptic Gregorian arithmetic. */
#ifndef NODE_RFC3339_H
#define NODE_RFC3339_H

#include "base/bytes.h"

enum { RFC3339_MICROS_LEN = 27, RFC3339_SECONDS_LEN = 20 };

/* "2026-11-21T09:18:53Z", with a NUL. Years past 9999 are written as 9999-12-31T23:59:59Z. */
void rfc3339_seconds(char out[RFC3339_SECONDS_LEN + 1], uint64_t unix_s);
/* "2026-11-21T09:18:53.123456Z", with a NUL. */
void rfc3339_micros(char out[RFC3339_MICROS_LEN + 1], uint64_t unix_us);
/* Any RFC 3339 date-time from 1970 on: "Z" or an offset, fractions are cut off. A leap second counts as
 * the next second. ERR_INVALID. */
MUST_USE enum err rfc3339_parse(struct bytes text, uint64_t *unix_s);

#endif
