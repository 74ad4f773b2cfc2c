#include "rpc/names.h"

#include "base/hash.h"
#include "base/obj.h"

enum {
	NAMES_MAGIC = 0x6e616d65,
	NAMES_A_CHAIN = 4, /* on average, when all numbers are given */
	PLACES_FIRST = 16,
};

struct kept {
	struct node_id owner;
	struct incarnation incarnation;
	uint32_t next; /* number of the next name in the chain of those said; 0 = none */
	uint32_t ancestors_n;
	struct rpc_ancestor ancestors[];
};

/* Names by number; number 1 is at [0]. */
struct table {
	struct kept **at;
	size_t places;
};

struct rpc_names {
	unsigned magic;
	struct table heard, said;
	uint32_t max;
	uint32_t last;   /* number given last; 0 at the start */
	uint32_t *heads; /* chains of `said` by hash: number of the first; NULL until there is one */
	/* Names that the present message defines, as last + 1, last + 2 ... */
	struct kept **noted;
	uint32_t noted_n, noted_cap;
};

static void table_free(struct table *t)
{
	for (size_t i = 0; i < t->places; i++)
		free(t->at[i]);
	free(t->at);
}

/* The place of a number, which is 1 to RPC_NAMES_MAX. */
static struct kept **place(struct table *t, uint32_t number)
{
	if (number > t->places) {
		size_t places = t->places == 0 ? PLACES_FIRST : t->places;
		while (places < number)
			places *= 2;
		t->at = realloc(t->at, places * sizeof(*t->at));
		CHECK(t->at != NULL);
		for (size_t i = t->places; i < places; i++)
			t->at[i] = NULL;
		t->places = places;
	}
	return &t->at[number - 1];
}

static struct kept *keep(const struct row_name *name)
{
	size_t ancestors_bytes = name->ancestors_n * sizeof(struct rpc_ancestor);
	struct kept *k = malloc(sizeof(*k) + ancestors_bytes);
	CHECK(k != NULL);
	*k = (struct kept){
		.owner = name->owner, .incarnation = name->incarnation, .ancestors_n = (uint32_t)name->ancestors_n
	};
	if (ancestors_bytes > 0)
		memcpy(k->ancestors, name->ancestors, ancestors_bytes);
	return k;
}

static struct row_name name_of(const struct kept *k)
{
	return (struct row_name){ k->owner, k->incarnation, k->ancestors, k->ancestors_n };
}

struct rpc_names *rpc_names_new(size_t max)
{
	CHECK(max <= RPC_NAMES_MAX);
	struct rpc_names *n = OBJ_NEW(struct rpc_names, NAMES_MAGIC);
	n->max = (uint32_t)max;
	return n;
}

void rpc_names_free(struct rpc_names *n)
{
	if (n == NULL)
		return;
	OBJ_CHECK(n, NAMES_MAGIC);
	names_begin(n);
	table_free(&n->heard);
	table_free(&n->said);
	free(n->heads);
	free(n->noted);
	OBJ_FREE(n);
}

/* -- the chains of what was said -- */

static bool is_name(const struct kept *k, const struct row_name *name)
{
	if (!node_id_eq(&k->owner, &name->owner) || incarnation_cmp(k->incarnation, name->incarnation) != 0 ||
	    k->ancestors_n != name->ancestors_n)
		return false;
	for (size_t i = 0; i < name->ancestors_n; i++) {
		const struct rpc_ancestor *a = &k->ancestors[i], *b = &name->ancestors[i];
		if (a->version != b->version || incarnation_cmp(a->incarnation, b->incarnation) != 0)
			return false;
	}
	return true;
}

static size_t chains_n(const struct rpc_names *n)
{
	return n->max / NAMES_A_CHAIN + 1;
}

static uint32_t *chain_of(const struct rpc_names *n, const struct row_name *name)
{
	uint64_t owner[2];
	memcpy(owner, name->owner.b, sizeof(owner));
	uint64_t newest = name->ancestors_n == 0 ? 0 : name->ancestors[0].version + 1;
	uint64_t run = hash_mix(name->incarnation.nonce + newest);
	return &n->heads[hash_mix(owner[0] ^ hash_mix(owner[1] ^ run)) % chains_n(n)];
}

/* Its number, or 0. */
static uint32_t find(const struct rpc_names *n, const struct row_name *name)
{
	uint32_t number = n->heads == NULL ? 0 : *chain_of(n, name);
	while (number != 0 && !is_name(n->said.at[number - 1], name))
		number = n->said.at[number - 1]->next;
	return number;
}

static void forget(struct rpc_names *n, uint32_t number)
{
	struct kept **at = place(&n->said, number);
	if (*at == NULL)
		return;
	struct row_name name = name_of(*at);
	uint32_t *link = chain_of(n, &name);
	while (*link != number)
		link = &n->said.at[*link - 1]->next;
	*link = (*at)->next;
	free(*at);
	*at = NULL;
}

/* A name may have two numbers, when a message mentions it twice; both are right as long as they stand. */
static void learn(struct rpc_names *n, uint32_t number, struct kept *k)
{
	if (n->heads == NULL) {
		n->heads = calloc(chains_n(n), sizeof(*n->heads));
		CHECK(n->heads != NULL);
	}
	forget(n, number);
	struct row_name name = name_of(k);
	uint32_t *head = chain_of(n, &name);
	k->next = *head;
	*head = number;
	*place(&n->said, number) = k;
}

/* -- saying -- */

void names_begin(struct rpc_names *n)
{
	for (size_t i = 0; i < n->noted_n; i++)
		free(n->noted[i]);
	n->noted_n = 0;
}

/* Whether the present message gives that number to another name. */
static bool is_given_anew(const struct rpc_names *n, uint32_t number)
{
	return (number + n->max - n->last - 1) % n->max < n->noted_n;
}

struct name_use names_say(struct rpc_names *n, const struct row_name *row)
{
	uint32_t number = find(n, row);
	if (number != 0 && !is_given_anew(n, number))
		return (struct name_use){ number, false };
	if (n->max == 0)
		return (struct name_use){ 0, true };
	if (n->noted_n == n->noted_cap) {
		n->noted_cap = n->noted_cap == 0 ? 4 : n->noted_cap * 2;
		n->noted = realloc(n->noted, n->noted_cap * sizeof(*n->noted));
		CHECK(n->noted != NULL);
	}
	n->noted[n->noted_n] = keep(row);
	return (struct name_use){ (n->last + n->noted_n++) % n->max + 1, true };
}

void rpc_names_said(struct rpc_names *n)
{
	for (uint32_t i = 0; n != NULL && i < n->noted_n; i++) {
		n->last = n->last % n->max + 1;
		learn(n, n->last, n->noted[i]);
	}
	if (n != NULL)
		n->noted_n = 0;
}

/* -- hearing -- */

enum err names_hear(struct rpc_names *n, uint32_t number, const struct row_name *row)
{
	if (number == 0 || number > RPC_NAMES_MAX)
		return ERR_INVALID;
	struct kept **at = place(&n->heard, number);
	struct kept *former = *at;
	*at = keep(row);
	free(former);
	return OK;
}

bool names_heard(const struct rpc_names *n, uint32_t number, struct row_name *out)
{
	if (number == 0 || number > n->heard.places || n->heard.at[number - 1] == NULL)
		return false;
	*out = name_of(n->heard.at[number - 1]);
	return true;
}
