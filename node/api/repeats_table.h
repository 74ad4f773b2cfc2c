/* What was answered to requests that carried an Idempotency-Key, for those who ask the same again
 * (draft-ietf-httpapi-idempotency-key-header).
 *
 * Rows stand in the order in which their requests began, and all live equally long. Bounded in rows and in
 * bytes: past either the oldest goes first, and its request, come again, counts as a new one.
 *
 * Pure: time comes in, and so do hashes. One caller at a time.
 */
#ifndef NODE_API_REPEATS_TABLE_H
#define NODE_API_REPEATS_TABLE_H

#include "base/bytes.h"

enum { REPEAT_HASH_BYTES = 16 };

/* Of whose key it is and of the key itself; and of the request's body. Wide enough that two are never equal
 * by chance, and keyed, so that nobody makes two equal. */
struct repeat_id {
	uint8_t key[REPEAT_HASH_BYTES];
	uint8_t body[REPEAT_HASH_BYTES];
};

struct repeat_row;

struct repeats_table {
	struct repeat_row **buckets;
	size_t buckets_n; /* a power of two */
	size_t rows, rows_max, bytes, bytes_max;
	uint64_t keep_ms;
	struct repeat_row *oldest, *newest;
};

enum repeat_state {
	REPEAT_NEW,       /* nobody asked that before: it is under way from now on */
	REPEAT_SAME,      /* it was answered */
	REPEAT_UNDER_WAY, /* somebody else is at it */
	REPEAT_OTHER,     /* under that key another body was sent */
};

/* Aborts when out of memory. */
void repeats_table_init(struct repeats_table *t, size_t rows_max, size_t bytes_max, uint64_t keep_ms);
void repeats_table_fini(struct repeats_table *t);

/* What is to be done about that request. With REPEAT_SAME *answer is what was answered, valid until the next
 * call. */
enum repeat_state repeats_table_begin(
    struct repeats_table *t, const struct repeat_id *id, uint64_t now_ms, struct bytes *answer);
/* Of a request that is under way: its answer, copied. One that no longer fits, or was displaced, is
 * forgotten. */
void repeats_table_answer(struct repeats_table *t, const struct repeat_id *id, struct bytes answer);
/* Of a request that is under way: nothing came of it, it may be tried again. */
void repeats_table_drop(struct repeats_table *t, const struct repeat_id *id);

#endif
