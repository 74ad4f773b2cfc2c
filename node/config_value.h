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
/* How fast viewers are sent to: one of them is not 0. */
struct config_pace {
	uint32_t permille;   /* of the content's bitrate */
	uint64_t bits_per_s; /* whatever the content */
};
/* "4x", "1.5x", "20Mbit/s". False: it is no pace, or out of 1x to 100x and 100kbit/s to 100Gbit/s. */
bool config_value_pace(struct bytes text, struct config_pace *out);

const char *config_value_number(const struct setting *s, struct bytes text, uint64_t *out);
/* N/s or N/m, as events a minute; 0 is 0. NULL, or what is wrong. */
const char *config_value_rate(struct bytes text, uint64_t max, uint64_t *per_min);
/* What is allowed, for an error. */
void config_value_allowed(const struct setting *s, struct buf *out);

#endif
