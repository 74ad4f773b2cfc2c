#include "node/api/ev_repeats.h"

#include "base/obj.h"

#include <pthread.h>
#include <sodium/crypto_generichash.h>
#include <string.h>

#define REPEATS_MAGIC 0x72657065u

enum { TABLES = 16 };

struct table {
	_Alignas(64) pthread_mutex_t lock;
	struct repeats_table t;
};

struct repeats {
	unsigned magic;
	struct table *tables;
};

struct repeats *repeats_new(void)
{
	struct repeats *r = OBJ_NEW(struct repeats, REPEATS_MAGIC);
	r->tables = aligned_alloc(_Alignof(struct table), TABLES * sizeof(struct table));
	CHECK(r->tables != NULL);
	for (size_t i = 0; i < TABLES; i++) {
		CHECK(pthread_mutex_init(&r->tables[i].lock, NULL) == 0);
		repeats_table_init(&r->tables[i].t, REPEATS_ROWS / TABLES, REPEATS_BYTES / TABLES, REPEATS_KEEP_MS);
	}
	return r;
}

void repeats_free(struct repeats *r)
{
	if (r == NULL)
		return;
	OBJ_CHECK(r, REPEATS_MAGIC);
	for (size_t i = 0; i < TABLES; i++) {
		repeats_table_fini(&r->tables[i].t);
		CHECK(pthread_mutex_destroy(&r->tables[i].lock) == 0);
	}
	free(r->tables);
	OBJ_FREE(r);
}

/* The scope's length stands before it, so that no scope and key make another's. */
void repeat_id_of(const struct hash_key *secret, struct bytes scope, struct bytes key, struct bytes body,
    struct repeat_id *out)
{
	crypto_generichash_state s;
	uint64_t scope_n = scope.n;
	CHECK(crypto_generichash_init(&s, secret->b, sizeof(secret->b), sizeof(out->key)) == 0);
	CHECK(crypto_generichash_update(&s, (const uint8_t *)&scope_n, sizeof(scope_n)) == 0);
	CHECK(crypto_generichash_update(&s, scope.p, scope.n) == 0);
	CHECK(crypto_generichash_update(&s, key.p, key.n) == 0);
	CHECK(crypto_generichash_final(&s, out->key, sizeof(out->key)) == 0);
	CHECK(
	    crypto_generichash(out->body, sizeof(out->body), body.p, body.n, secret->b, sizeof(secret->b)) == 0);
}

static struct table *lock_table_of(struct repeats *r, const struct repeat_id *id)
{
	OBJ_CHECK(r, REPEATS_MAGIC);
	/* The last byte: the first ones pick a bucket within. */
	struct table *t = &r->tables[id->key[REPEAT_HASH_BYTES - 1] % TABLES];
	CHECK(pthread_mutex_lock(&t->lock) == 0);
	return t;
}

static void unlock(struct table *t)
{
	CHECK(pthread_mutex_unlock(&t->lock) == 0);
}

enum repeat_state repeats_begin(struct repeats *r, const struct repeat_id *id, uint64_t now_mono_ms,
    struct arena *a, struct bytes *answer)
{
	struct bytes stored;
	struct table *t = lock_table_of(r, id);
	enum repeat_state state = repeats_table_begin(&t->t, id, now_mono_ms, &stored);
	if (state == REPEAT_SAME) {
		*answer = arena_dup(a, stored);
		if (answer->p == NULL)
			state = REPEAT_UNDER_WAY;
	}
	unlock(t);
	return state;
}

void repeats_answer(struct repeats *r, const struct repeat_id *id, struct bytes answer)
{
	struct table *t = lock_table_of(r, id);
	repeats_table_answer(&t->t, id, answer);
	unlock(t);
}

void repeats_drop(struct repeats *r, const struct repeat_id *id)
{
	struct table *t = lock_table_of(r, id);
	repeats_table_drop(&t->t, id);
	unlock(t);
}
