/* Numbers as people read them. Each writes at most UNITS_TEXT_MAX characters with the NUL and returns `out`.
 */
#ifndef CTL_UNITS_H
#define CTL_UNITS_H

#include <stdint.h>

enum { UNITS_TEXT_MAX = 32 };

/* "0 B", "1023 B", "1.5 GiB": three significant digits at most, never 1024 of a unit. */
char *units_bytes(char out[UNITS_TEXT_MAX], uint64_t bytes);
/* "0 s", "59 s", "3 min", "7 h", "12 d": whole units, rounded down. */
char *units_age(char out[UNITS_TEXT_MAX], uint64_t ms);
/* 437 is "43.7 %", 1000 "100 %". */
char *units_permille(char out[UNITS_TEXT_MAX], uint64_t permille);

#endif
