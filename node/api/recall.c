#include "node/api/recall.h"

#include "base/obj.h"

#include <stdatomic.h>
#include <string.h>

#define RECALL_MAGIC 0x7265636cu

enum { ID_WORDS = 2, HEAD_WORD = 2, FIRST_REASON = 3, REASON_WORDS = 4, REASONS_A_WORD = 4, FIRST_NODE = 7 };
_Static_assert(TOKEN_SESSION_BYTES == ID_WORDS * 8, "an id fills its words");
_Static_assert(RECALL_REASONS == REASON_WORDS * REASONS_A_WORD, "the counts fill their words");
_Static_assert(FIRST_REASON + REASON_WORDS == FIRST_NODE, "words do not overlap");
_Static_assert((int)ASSIGN_CACHE_COLD < (int)RECALL_REASONS, "each reason is counted by itself");
_Static_assert(TALLY_NO_SLOT < 1 << 16, "a slot fits into its bits");

struct record {
	_Atomic uint64_t sequence; /* odd while it is written; 0: never was */
	_Atomic uint64_t words[RECALL_WORDS];
};
_Static_assert(sizeof(struct record) * RECALL_SESSIONS == RECALL_RING_BYTES, "as the header says");

struct ring {
	_Alignas(64) uint64_t written; /* its thread's own */
	struct record *records;
};

struct recall {
	unsigned magic;
	size_t rings_n;
	struct ring *rings;
};

struct recall *recall_new(size_t rings_n)
{
	struct recall *r = OBJ_NEW(struct recall, RECALL_MAGIC);
	r->rings_n = rings_n;
	r->rings = aligned_alloc(64, (rings_n > 0 ? rings_n : 1) * sizeof(r->rings[0]));
	CHECK(r->rings != NULL);
	for (size_t i = 0; i < rings_n; i++) {
		r->rings[i] = (struct ring){ .records = calloc(RECALL_SESSIONS, sizeof(struct record)) };
		CHECK(r->rings[i].records != NULL);
	}
	return r;
}

void recall_free(struct recall *r)
{
	if (r == NULL)
		return;
	OBJ_CHECK(r, RECALL_MAGIC);
	for (size_t i = 0; i < r->rings_n; i++)
		free(r->rings[i].records);
	free(r->rings);
	OBJ_FREE(r);
}

/* -- a record as words -- */

static uint64_t at_most(uint64_t n, uint64_t max)
{
	return n < max ? n : max;
}

static void pack_node(const struct place *p, const struct assign_candidate *c, uint64_t words[2])
{
	const struct place_node *n = &p->nodes[c->node];
	const struct assign_node *known = &p->known[c->node];
	words[0] = (uint64_t)n->slot | (uint64_t)(c->reason & 0xff) << 16 | (uint64_t)(known->state & 0xf) << 24 |
	           (uint64_t)n->holder << 28 | (uint64_t)n->reported << 29 | (uint64_t)known->load << 32;
	words[1] = at_most(known->capacity, RECALL_CAPACITY_MAX);
	words[1] |= at_most(known->age_ms, RECALL_AGE_MAX_MS) << 24;
	words[1] |= at_most(known->places, UINT16_MAX) << 48;
}

static void unpack_node(const uint64_t words[2], struct recalled_node *out)
{
	*out = (struct recalled_node){
		.slot = (uint32_t)(words[0] & 0xffff),
		.reason = (enum assign_reason)(words[0] >> 16 & 0xff),
		.state = (enum assign_state)(words[0] >> 24 & 0xf),
		.holder = (words[0] >> 28 & 1) != 0,
		.reported = (words[0] >> 29 & 1) != 0,
		.load = (uint32_t)(words[0] >> 32),
		.capacity = (uint32_t)(words[1] & RECALL_CAPACITY_MAX),
		.age_ms = (uint32_t)(words[1] >> 24 & RECALL_AGE_MAX_MS),
		.places = (uint16_t)(words[1] >> 48),
	};
}

/* The candidates that are kept; true: the taken one is among them. */
static bool pack_best(const struct place *p, size_t at, uint64_t words[2 * RECALL_BEST])
{
	const struct assign_result *d = &p->decision;
	bool there = false;
	for (size_t i = 0; i < d->candidates_n && i < RECALL_BEST; i++) {
		there = there || d->candidates[i].node == at;
		pack_node(p, &d->candidates[i], &words[2 * i]);
	}
	return there;
}

/* Four counts a word, none of which may run over into its neighbour. */
static void count_reason(uint64_t words[REASON_WORDS], enum assign_reason reason)
{
	size_t r = at_most(reason, RECALL_REASONS - 1);
	unsigned shift = 16 * (unsigned)(r % REASONS_A_WORD);
	uint64_t *w = &words[r / REASONS_A_WORD];
	if ((*w >> shift & UINT16_MAX) < UINT16_MAX)
		*w += UINT64_C(1) << shift;
}

static void pack(const struct place *p, size_t at, uint64_t words[RECALL_WORDS])
{
	const struct assign_result *d = &p->decision;
	uint64_t kept = at_most(d->candidates_n, RECALL_BEST);
	words[HEAD_WORD] = (uint64_t)d->outcome | kept << 8 | at_most(d->candidates_n, UINT16_MAX) << 16 |
	                   at_most(d->usable_n, UINT16_MAX) << 32 | at_most(d->ordered_n, UINT16_MAX) << 48;
	bool there = pack_best(p, at, &words[FIRST_NODE]);
	for (size_t i = 0; i < d->candidates_n; i++) {
		count_reason(&words[FIRST_REASON], d->candidates[i].reason);
		if (!there && d->candidates[i].node == at)
			pack_node(p, &d->candidates[i], &words[FIRST_NODE + 2 * (kept - 1)]);
	}
}

static void unpack(const uint64_t words[RECALL_WORDS], struct recalled *out)
{
	*out = (struct recalled){
		.outcome = (enum assign_outcome)(words[HEAD_WORD] & 0xff),
		.best_n = at_most(words[HEAD_WORD] >> 8 & 0xff, RECALL_BEST),
		.nodes_n = (uint16_t)(words[HEAD_WORD] >> 16),
		.usable_n = (uint16_t)(words[HEAD_WORD] >> 32),
		.ordered_n = (uint16_t)(words[HEAD_WORD] >> 48),
	};
	for (size_t i = 0; i < RECALL_REASONS; i++)
		out->by_reason[i] = (uint16_t)(words[FIRST_REASON + i / REASONS_A_WORD] >> 16 * (i % REASONS_A_WORD));
	for (size_t i = 0; i < out->best_n; i++)
		unpack_node(&words[FIRST_NODE + 2 * i], &out->best[i]);
}

/* -- records in rings -- */

void recall_add(struct recall *r, size_t ring, const uint8_t session[TOKEN_SESSION_BYTES],
    const struct place *p, size_t at)
{
	if (r == NULL)
		return;
	OBJ_CHECK(r, RECALL_MAGIC);
	CHECK(ring < r->rings_n);
	uint64_t words[RECALL_WORDS] = { 0 };
	memcpy(words, session, TOKEN_SESSION_BYTES);
	pack(p, at, words);
	struct ring *own = &r->rings[ring];
	struct record *to = &own->records[own->written++ % RECALL_SESSIONS];
	uint64_t sequence = atomic_load_explicit(&to->sequence, memory_order_relaxed);
	atomic_store_explicit(&to->sequence, sequence + 1, memory_order_relaxed);
	for (size_t i = 0; i < RECALL_WORDS; i++)
		atomic_store_explicit(&to->words[i], words[i], memory_order_release);
	atomic_store_explicit(&to->sequence, sequence + 2, memory_order_release);
}

/* False: it is empty, or is being written. */
static bool read_record(const struct record *from, uint64_t words[RECALL_WORDS])
{
	uint64_t sequence = atomic_load_explicit(&from->sequence, memory_order_acquire);
	if (sequence == 0 || sequence % 2 != 0)
		return false;
	for (size_t i = 0; i < RECALL_WORDS; i++)
		words[i] = atomic_load_explicit(&from->words[i], memory_order_acquire);
	return atomic_load_explicit(&from->sequence, memory_order_relaxed) == sequence;
}

bool recall_find(const struct recall *r, const uint8_t session[TOKEN_SESSION_BYTES], struct recalled *out)
{
	uint64_t id[ID_WORDS], words[RECALL_WORDS];
	memcpy(id, session, sizeof(id));
	OBJ_CHECK(r, RECALL_MAGIC);
	for (size_t i = 0; i < r->rings_n; i++) {
		for (size_t k = 0; k < RECALL_SESSIONS; k++) {
			const struct record *one = &r->rings[i].records[k];
			if (atomic_load_explicit(&one->words[0], memory_order_relaxed) == id[0] &&
			    read_record(one, words) && memcmp(words, id, sizeof(id)) == 0) {
				unpack(words, out);
				return true;
			}
		}
	}
	return false;
}
