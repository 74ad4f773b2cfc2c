/* One value of a setting: from the text of a scalar to what struct config holds. Strict: the whole
 * text or nothing, no leading zero, a unit where there are units. Pure, without state.
 */
#ifndef NODE_CONFIG_VALUE_H
#define NODE_CONFIG_VALUE_H

#include "node/config_table.h"

/* Whether the type is held as a string. */
bool config_type_is_text(enum setting_type t);
/* NULL when `text` is a value of this text setting, else what is wrong, as in "'x' WHAT". */
const char *config_value_text(const struct setting *s, struct bytes text);
/* The same for numbers, sizes, durations, percentages and words; *out is set on NULL. */
const char *config_value_number(const struct setting *s, struct bytes text, uint64_t *out);
/* N/s or N/m, as events a minute; 0 is 0. NULL, or what is wrong. */
const char *config_value_rate(struct bytes text, uint64_t max, uint64_t *per_min);
/* What is allowed, for an error. */
void config_value_allowed(const struct setting *s, struct buf *out);

#endif
