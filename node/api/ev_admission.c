#include "node/api/ev_admission.h"

#include "base/obj.h"
#include "node/api/limits.h"

#include <pthread.h>
#include <string.h>

#define ADMISSION_MAGIC 0x61646d69u

/* Picked by the high bits of a name's hash, the set within a shard by the low ones. */
enum {
	SHARDS = 64,
	CLIENT_SETS_LOG2 = 7,
	KEY_SETS_LOG2 = 3,
};
_Static_assert(SHARDS *(LIMITS_WAYS << CLIENT_SETS_LOG2) == ADMISSION_CLIENTS, "as the header says");
_Static_assert(SHARDS *(LIMITS_WAYS << KEY_SETS_LOG2) == ADMISSION_KEYS, "as the header says");

struct shard {
	_Alignas(64) pthread_mutex_t lock;
	struct limits clients, keys;
};

struct admission {
	unsigned magic;
	struct client_trust trust;
	struct limits_rate client_rate; /* per_min 0: none */
	struct hash_key secret;
	uint64_t (*now_mono_ms)(void);
	pthread_rwlock_t keys_lock;
	const struct api_keys *keys;
	struct shard *shards;
	struct repeats *repeats;
	_Atomic uint64_t count[ADMISSION_VERDICTS];
};

const char *admission_verdict_str(enum admission_verdict v)
{
	static const char *const names[ADMISSION_VERDICTS] = {
		[ADMITTED] = "admitted",
		[ADMISSION_NO_KEY] = "no-key",
		[ADMISSION_UNKNOWN_KEY] = "unknown-key",
		[ADMISSION_PREFIX] = "prefix",
		[ADMISSION_ADDRESS] = "client-address",
		[ADMISSION_KEY_RATE] = "key-rate",
		[ADMISSION_CLIENT_RATE] = "client-rate",
		[ADMISSION_REPEATED] = "repeated",
		[ADMISSION_REPEAT_OTHER] = "repeat-other",
		[ADMISSION_REPEAT_UNDER_WAY] = "repeat-under-way",
		[ADMISSION_REPEAT_KEY] = "repeat-key",
	};
	return names[v];
}

struct admission *admission_new(const struct admission_config *c)
{
	struct admission *a = OBJ_NEW(struct admission, ADMISSION_MAGIC);
	client_trust_init(&a->trust, &c->config->trusted_proxies);
	a->client_rate = (struct limits_rate){ c->config->client_rate_per_min, c->config->client_burst };
	a->secret = c->secret;
	a->now_mono_ms = c->now_mono_ms;
	a->keys = c->keys;
	CHECK(pthread_rwlock_init(&a->keys_lock, NULL) == 0);
	a->repeats = repeats_new();
	a->shards = aligned_alloc(_Alignof(struct shard), SHARDS * sizeof(struct shard));
	CHECK(a->shards != NULL);
	for (size_t i = 0; i < SHARDS; i++) {
		CHECK(pthread_mutex_init(&a->shards[i].lock, NULL) == 0);
		limits_init(&a->shards[i].clients, CLIENT_SETS_LOG2);
		limits_init(&a->shards[i].keys, KEY_SETS_LOG2);
	}
	return a;
}

void admission_free(struct admission *a)
{
	if (a == NULL)
		return;
	OBJ_CHECK(a, ADMISSION_MAGIC);
	for (size_t i = 0; i < SHARDS; i++) {
		limits_fini(&a->shards[i].clients);
		limits_fini(&a->shards[i].keys);
		CHECK(pthread_mutex_destroy(&a->shards[i].lock) == 0);
	}
	free(a->shards);
	repeats_free(a->repeats);
	CHECK(pthread_rwlock_destroy(&a->keys_lock) == 0);
	OBJ_FREE(a);
}

void admission_set_keys(struct admission *a, const struct api_keys *keys)
{
	OBJ_CHECK(a, ADMISSION_MAGIC);
	CHECK(pthread_rwlock_wrlock(&a->keys_lock) == 0);
	a->keys = keys;
	CHECK(pthread_rwlock_unlock(&a->keys_lock) == 0);
}

static enum admission_verdict counted(struct admission *a, enum admission_verdict v)
{
	atomic_fetch_add_explicit(&a->count[v], 1, memory_order_relaxed);
	return v;
}

/* -- rates -- */

static struct shard *lock_shard_of(struct admission *a, uint64_t hash)
{
	struct shard *s = &a->shards[(hash >> 32) % SHARDS];
	CHECK(pthread_mutex_lock(&s->lock) == 0);
	return s;
}

static void unlock(struct shard *s)
{
	CHECK(pthread_mutex_unlock(&s->lock) == 0);
}

static uint64_t client_hash(const struct admission *a, const struct client_address *address)
{
	uint8_t name[CLIENT_NAME_BYTES];
	client_name(address, name);
	return hash64(&a->secret, bytes_of(name, sizeof(name)));
}

static uint64_t take_client(struct admission *a, const struct client_address *address)
{
	if (a->client_rate.per_min == 0)
		return 0;
	uint64_t hash = client_hash(a, address);
	struct shard *s = lock_shard_of(a, hash);
	uint64_t wait_ms = limits_take(&s->clients, hash, a->client_rate, a->now_mono_ms());
	unlock(s);
	return wait_ms;
}

/* What the key's own rate refused costs its client nothing. */
static void return_client(struct admission *a, const struct client_address *address)
{
	if (a->client_rate.per_min == 0)
		return;
	uint64_t hash = client_hash(a, address);
	struct shard *s = lock_shard_of(a, hash);
	limits_return(&s->clients, hash, a->client_rate);
	unlock(s);
}

static uint64_t take_key(struct admission *a, const struct api_key *key)
{
	if (key->rate_per_min == 0)
		return 0;
	struct limits_rate rate = { key->rate_per_min, key->burst };
	uint64_t hash = hash64(&a->secret, bytes_str(key->name));
	struct shard *s = lock_shard_of(a, hash);
	uint64_t wait_ms = limits_take(&s->keys, hash, rate, a->now_mono_ms());
	unlock(s);
	return wait_ms;
}

/* -- verdicts -- */

static enum admission_verdict find_key(struct admission *a, const struct http_request *r, struct caller *who)
{
	CHECK(pthread_rwlock_rdlock(&a->keys_lock) == 0);
	bool needed = a->keys != NULL;
	struct bytes header = http_header(r, "Authorization");
	struct bytes presented = api_key_of_header(header);
	who->has_key = needed && presented.n > 0 && api_keys_find(a->keys, presented, &who->key);
	CHECK(pthread_rwlock_unlock(&a->keys_lock) == 0);
	if (!needed || who->has_key)
		return ADMITTED;
	return presented.n > 0 ? ADMISSION_UNKNOWN_KEY : ADMISSION_NO_KEY;
}

enum admission_verdict admission_caller(
    struct admission *a, const struct http_request *r, struct caller *who, uint64_t *wait_ms)
{
	OBJ_CHECK(a, ADMISSION_MAGIC);
	bool by_proxy;
	enum admission_verdict v = find_key(a, r, who);
	if (v != ADMITTED)
		return counted(a, v);
	client_address_of(r, &a->trust, &who->address, &by_proxy);
	who->believed = who->has_key || by_proxy;
	if (!who->believed && (*wait_ms = take_client(a, &who->address)) > 0)
		return counted(a, ADMISSION_CLIENT_RATE);
	return ADMITTED;
}

static bool opens_all(const struct api_key *key, const struct session_request *r)
{
	bool all = api_key_opens(key, r->content);
	for (size_t i = 0; all && i < r->prefixes_n; i++)
		all = api_key_opens(key, r->prefixes[i]);
	return all;
}

enum admission_verdict admission_session(
    struct admission *a, const struct caller *who, const struct session_request *r, uint64_t *wait_ms)
{
	struct client_address address = who->address;
	if (who->has_key && !opens_all(&who->key, r))
		return counted(a, ADMISSION_PREFIX);
	if (who->believed) {
		if (r->client_address.n > 0 && !client_address_parse(r->client_address, &address))
			return counted(a, ADMISSION_ADDRESS);
		if ((*wait_ms = take_client(a, &address)) > 0)
			return counted(a, ADMISSION_CLIENT_RATE);
	}
	if (who->has_key && (*wait_ms = take_key(a, &who->key)) > 0) {
		return_client(a, &address);
		return counted(a, ADMISSION_KEY_RATE);
	}
	return counted(a, ADMITTED);
}

/* -- repeats -- */

/* What nobody else can be: an API key's name, or a whole address. */
static struct bytes scope_of(const struct caller *who, uint8_t out[sizeof(who->address.ip) + 1])
{
	if (who->has_key)
		return bytes_str(who->key.name);
	out[0] = who->address.v6; /* no character of a name */
	memcpy(out + 1, who->address.ip, sizeof(who->address.ip));
	return bytes_of(out, sizeof(who->address.ip) + 1);
}

enum admission_verdict admission_repeat(struct admission *a, const struct caller *who, struct bytes key,
    struct bytes body, struct arena *arena, struct repeat_id *id, struct bytes *answer)
{
	static const enum admission_verdict verdicts[] = {
		[REPEAT_SAME] = ADMISSION_REPEATED,
		[REPEAT_UNDER_WAY] = ADMISSION_REPEAT_UNDER_WAY,
		[REPEAT_OTHER] = ADMISSION_REPEAT_OTHER,
	};
	uint8_t scope[sizeof(who->address.ip) + 1];
	if (key.n == 0 || key.n > REPEAT_KEY_MAX)
		return counted(a, ADMISSION_REPEAT_KEY);
	repeat_id_of(&a->secret, scope_of(who, scope), key, body, id);
	enum repeat_state state = repeats_begin(a->repeats, id, a->now_mono_ms(), arena, answer);
	return state == REPEAT_NEW ? ADMITTED : counted(a, verdicts[state]);
}

void admission_answered(struct admission *a, const struct repeat_id *id, struct bytes answer)
{
	repeats_answer(a->repeats, id, answer);
}

void admission_failed(struct admission *a, const struct repeat_id *id)
{
	repeats_drop(a->repeats, id);
}

void admission_count(const struct admission *a, uint64_t out[ADMISSION_VERDICTS])
{
	for (size_t i = 0; i < ADMISSION_VERDICTS; i++)
		out[i] = atomic_load_explicit(&a->count[i], memory_order_relaxed);
}
