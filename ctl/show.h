/* What a node's admin listener says, as text for people. A member that an older or newer node does not send
 * is shown as `-`; an answer of another shape altogether is ERR_INVALID. Pure.
 */
#ifndef CTL_SHOW_H
#define CTL_SHOW_H

#include "base/bytes.h"

#include <jansson.h>

MUST_USE enum err show_status(const json_t *answer, struct buf *out);
MUST_USE enum err show_nodes(const json_t *answer, struct buf *out);
MUST_USE enum err show_holders(const json_t *answer, struct buf *out);
/* show_explain.c */
MUST_USE enum err show_explain_content(const json_t *answer, struct buf *out);
MUST_USE enum err show_explain_session(const json_t *answer, struct buf *out);
/* show_kvs.c */
MUST_USE enum err show_kvs_stats(const json_t *answer, struct buf *out);
MUST_USE enum err show_owners(const json_t *answer, struct buf *out);
MUST_USE enum err show_entry(const json_t *answer, struct buf *out);

#endif
