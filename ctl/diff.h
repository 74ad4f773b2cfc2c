/* Whether two nodes' replicas agree, by what each says of its rows (GET /v1/kvs/owners). Pure.
 *
 * Rows of load are left out, as in a replica's own fingerprint: they change all the time.
 */
#ifndef CTL_DIFF_H
#define CTL_DIFF_H

#include "base/bytes.h"

#include <jansson.h>

/* Whether an answer has rows that can be told apart and compared. */
bool diff_understands(const json_t *answer);
/* Both answers are understood. Writes the rows that differ, as text or as one JSON object; `nodes` is how
 * the person called them. True: there are none. */
bool diff_owners(const json_t *a, const json_t *b, const char *const nodes[2], bool json, struct buf *out);

#endif
