/* The addresses that are dialled, each once, own address excepted: those of the seeds and of members
 * while somebody wants a link to them (wiring.h). */
#ifndef KVS_DIALS_H
#define KVS_DIALS_H

#include "kvs/state.h"

void dials_want(struct kvs *k, const char *address);
void dials_unwant(struct kvs *k, const char *address);
/* The member's register or wires changed: its address is wanted, another or none. */
void dials_follow(struct kvs *k, struct member *m);
/* Tells the caller what changed, as far as there is room. */
void dials_flush(struct kvs *k);

#endif
