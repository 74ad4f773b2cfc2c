#include "rpc/names.h"

#include "base/hash.h"
#include "base/obj.h"

enum { NAMES_MAGIC = 0x6e616d65, PLACES_FIRST = 16 };

struct kept {
	struct node_id owner;
	struct incarnation incarnation;
	uint32_t ancestors_n;
	struct rpc_ancestor ancestors[];
};

struct said {
	struct kept *name; /* NULL: not given yet */
	uint32_t hash;
	uint32_t next; /* number of the next name in its chain; 0: none */
};

struct rpc_names {
	unsigned magic;
	/* By number; number 1 is at [0]. */
	struct kept **heard;
	struct said *said;
	size_t heard_places, said_places; /* powers of two */
	uint32_t *heads;                  /* as many chains of `said`, by hash: number of the first */
	uint32_t max;
	uint32_t last; /* number given last; 0 at the start */
	/* Names that the present message defines, as last + 1, last + 2 ... */
	struct kept **noted;
	uint32_t noted_n, noted_cap;
};

/* Room for a number, which is 1 to RPC_NAMES_MAX. */
static size_t places_for(size_t places, uint32_t number)
{
	if (places == 0)
		places = PLACES_FIRST;
	while (places < number)
		places *= 2;
	return places;
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
	for (size_t i = 0; i < n->heard_places; i++)
		free(n->heard[i]);
	for (size_t i = 0; i < n->said_places; i++)
		free(n->said[i].name);
	free(n->heard);
	free(n->said);
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

static uint32_t hash_of(const struct row_name *name)
{
	uint64_t owner[2];
	memcpy(owner, name->owner.b, sizeof(owner));
	uint64_t newest = name->ancestors_n == 0 ? 0 : name->ancestors[0].version + 1;
	uint64_t run = hash_mix(name->incarnation.nonce + newest);
	return (uint32_t)hash_mix(owner[0] ^ hash_mix(owner[1] ^ run));
}

static uint32_t *chain_of(const struct rpc_names *n, uint32_t hash)
{
	return &n->heads[hash & (n->said_places - 1)];
}

/* Its number, or 0. */
static uint32_t find(const struct rpc_names *n, const struct row_name *name)
{
	uint32_t hash = hash_of(name);
	uint32_t number = n->said_places == 0 ? 0 : *chain_of(n, hash);
	for (; number != 0; number = n->said[number - 1].next) {
		const struct said *s = &n->said[number - 1];
		if (s->hash == hash && is_name(s->name, name))
			break;
	}
	return number;
}

static void add_to_chain(struct rpc_names *n, uint32_t number)
{
	uint32_t *head = chain_of(n, n->said[number - 1].hash);
	n->said[number - 1].next = *head;
	*head = number;
}

static void make_room(struct rpc_names *n, uint32_t number)
{
	size_t places = places_for(n->said_places, number);
	if (places == n->said_places)
		return;
	n->said = realloc(n->said, places * sizeof(*n->said));
	free(n->heads);
	n->heads = calloc(places, sizeof(*n->heads));
	CHECK(n->said != NULL && n->heads != NULL);
	for (size_t i = n->said_places; i < places; i++)
		n->said[i] = (struct said){ 0 };
	n->said_places = places;
	for (uint32_t i = 1; i <= places && n->said[i - 1].name != NULL; i++)
		add_to_chain(n, i);
}

static void forget(struct rpc_names *n, uint32_t number)
{
	struct said *s = &n->said[number - 1];
	if (s->name == NULL)
		return;
	uint32_t *link = chain_of(n, s->hash);
	while (*link != number)
		link = &n->said[*link - 1].next;
	*link = s->next;
	free(s->name);
	s->name = NULL;
}

/* A name may have two numbers, when a message mentions it twice; both are right as long as they stand. */
static void learn(struct rpc_names *n, uint32_t number, struct kept *k)
{
	make_room(n, number);
	forget(n, number);
	struct row_name name = name_of(k);
	n->said[number - 1] = (struct said){ .name = k, .hash = hash_of(&name) };
	add_to_chain(n, number);
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
	size_t places = places_for(n->heard_places, number);
	if (places != n->heard_places) {
		n->heard = realloc(n->heard, places * sizeof(*n->heard));
		CHECK(n->heard != NULL);
		for (size_t i = n->heard_places; i < places; i++)
			n->heard[i] = NULL;
		n->heard_places = places;
	}
	struct kept *former = n->heard[number - 1];
	n->heard[number - 1] = keep(row);
	free(former);
	return OK;
}

bool names_heard(const struct rpc_names *n, uint32_t number, struct row_name *out)
{
	if (number == 0 || number > n->heard_places || n->heard[number - 1] == NULL)
		return false;
	*out = name_of(n->heard[number - 1]);
	return true;
}
