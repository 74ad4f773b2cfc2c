/* HTTP dates (RFC 9110, section 5.6.7) as seconds since the epoch. Pure: no clock, no locale, no
 * time zone. Years 1970 to 9999.
 */
#ifndef NODE_HTTP_DATE_H
#define NODE_HTTP_DATE_H

#include "base/bytes.h"

enum { HTTP_DATE_BYTES = 30 }; /* with the NUL */

/* "Sun, 06 Nov 1994 08:49:37 GMT"; times past the year 9999 are written as its last second. */
void http_date_format(char out[HTTP_DATE_BYTES], uint64_t wall_s);
/* All three forms of section 5.6.7. ERR_INVALID for anything else. */
MUST_USE enum err http_date_parse(struct bytes text, uint64_t *wall_s);

#endif
