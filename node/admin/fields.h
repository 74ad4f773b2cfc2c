/* Members of JSON objects as the operators' pages write them: `"key":value`, with a comma where one is due.
 * Pure.
 */
#ifndef NODE_ADMIN_FIELDS_H
#define NODE_ADMIN_FIELDS_H

#include "rpc/entries.h"

void field_str(struct buf *out, const char *key, struct bytes value);
/* null when it is empty. */
void field_str_if(struct buf *out, const char *key, struct bytes value);
void field_u64(struct buf *out, const char *key, uint64_t value);
void field_bool(struct buf *out, const char *key, bool value);
/* 16 hex digits in a string: JSON's numbers are not that wide everywhere. */
void field_hex64(struct buf *out, const char *key, uint64_t value);
void field_hex(struct buf *out, const char *key, struct bytes value);
void field_id(struct buf *out, const char *key, const struct node_id *id);
void field_roles(struct buf *out, uint32_t roles);
/* What a register says, as members of the object that is being written. */
void field_register(struct buf *out, const struct rpc_register *r);

#endif
