/* Answers to be given again (repeats_table.h), shared by all workers of this node. What another api node
 * answered is not known here.
 *
 * Threading: any thread; each key lies in one of some tables, under that table's lock.
 */
#ifndef NODE_API_EV_REPEATS_H
#define NODE_API_EV_REPEATS_H

#include "base/arena.h"
#include "base/hash.h"
#include "node/api/repeats_table.h"

enum {
	REPEATS_ROWS = 32768,
	REPEATS_BYTES = 64 * 1024 * 1024,
	REPEATS_KEEP_MS = 5 * 60 * 1000,
	REPEAT_KEY_MAX = 255, /* bytes of an Idempotency-Key */
};

struct repeats;

struct repeats *repeats_new(void); /* aborts when out of memory */
void repeats_free(struct repeats *r);

/* The id of a request: `scope` says whose key it is. */
void repeat_id_of(const struct hash_key *secret, struct bytes scope, struct bytes key, struct bytes body,
    struct repeat_id *out);
/* As repeats_table_begin; the answer is copied to the arena. REPEAT_UNDER_WAY too when there is no room for
 * it. */
enum repeat_state repeats_begin(struct repeats *r, const struct repeat_id *id, uint64_t now_mono_ms,
    struct arena *a, struct bytes *answer);
/* One of them follows each REPEAT_NEW. */
void repeats_answer(struct repeats *r, const struct repeat_id *id, struct bytes answer);
void repeats_drop(struct repeats *r, const struct repeat_id *id);

#endif
