/* From members of a JSON answer to cells of a table. A member that is absent or of another type is `-`. */
#ifndef CTL_CELLS_H
#define CTL_CELLS_H

#include "ctl/table.h"
#include "ctl/units.h"

#include <jansson.h>

enum { CELL_MAX = 512 };

/* NULL when it is absent or no string. */
const char *member_str(const json_t *object, const char *key);
/* False, and nothing written, when it is no whole number from 0. */
bool member_u64(const json_t *object, const char *key, uint64_t *out);
/* "a,b" of an array of strings; "" when it is none. */
const char *member_list(const json_t *object, const char *key, char out[CELL_MAX]);
/* The objects of `array` sorted by the strings under `keys` (the last is NULL), to be freed. NULL: it is no
 * array of objects. */
json_t **members_sorted(const json_t *array, const char *const *keys, size_t *n);
/* As strverscmp, one key after the other, so that n-2 comes before n-10; an absent one is "". */
int members_cmp(const json_t *a, const json_t *b, const char *const *keys);

void cell_u64(struct table *t, const json_t *object, const char *key);
void cell_units(
    struct table *t, const json_t *object, const char *key, char *(*units)(char[UNITS_TEXT_MAX], uint64_t));
/* `share_permille` of a holder; one that does not know how large the content is says 0. */
void cell_share(struct table *t, const json_t *holder);
void cell_printf(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A table with its line of heads; and its end: printed and freed. */
void cells_heads(struct table *t, const char *const *names, size_t n);
MUST_USE enum err cells_finish(struct table *t, struct buf *out);

#endif
