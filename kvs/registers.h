/* Decoded registers and loads on the heap: each register is one block with its strings. */
#ifndef KVS_REGISTERS_H
#define KVS_REGISTERS_H

#include "rpc/entries.h"

/* NULL when the bytes are none; free() it. */
struct rpc_register *register_decode(struct bytes value);
struct rpc_register *register_copy(const struct rpc_register *r);
bool load_decode(struct bytes value, struct rpc_load *out);

#endif
