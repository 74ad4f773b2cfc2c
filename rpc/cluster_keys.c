#include "rpc/cluster_keys.h"

#include <sodium/crypto_generichash.h>
#include <sodium/utils.h>
#include <string.h>

/* These names are part of the format: they never change. */
static const char key_use[] = "warmcast cluster 1 link proof key";
static const char hello_use[] = "warmcast cluster 1 link hello";
static const char proof_use[] = "warmcast cluster 1 link proof";

static void derive(struct cluster_key *key, const uint8_t secret[KEY_SECRET_BYTES])
{
	crypto_generichash(key->proof_key, sizeof(key->proof_key), (const uint8_t *)key_use, sizeof(key_use) - 1,
	    secret, KEY_SECRET_BYTES);
}

enum err cluster_keys_parse(struct bytes text, struct cluster_keys *out, size_t *bad_line)
{
	struct key_secret found[RPC_CLUSTER_KEYS_MAX];
	size_t n;
	enum err e = key_file_parse(text, found, RPC_CLUSTER_KEYS_MAX, &n, bad_line);
	if (e != OK)
		return e;
	*out = (struct cluster_keys){ .n = n };
	for (size_t i = 0; i < n; i++) {
		out->keys[i].id = found[i].id;
		derive(&out->keys[i], found[i].secret);
	}
	sodium_memzero(found, sizeof(found));
	return OK;
}

void cluster_keys_fini(struct cluster_keys *k)
{
	sodium_memzero(k, sizeof(*k));
}

void cluster_keys_name(const struct cluster_keys *k, struct rpc_hello *h)
{
	h->keys_n = k->n;
	for (size_t i = 0; i < k->n; i++)
		h->keys[i] = k->keys[i].id;
}

static bool same_id(const struct key_id *a, const struct key_id *b)
{
	return bytes_eq(key_id_bytes(a), key_id_bytes(b));
}

const struct cluster_key *cluster_keys_for(const struct cluster_keys *k, const struct rpc_hello *peer)
{
	for (size_t i = 0; i < k->n; i++) {
		for (size_t j = 0; j < peer->keys_n; j++) {
			if (same_id(&k->keys[i].id, &peer->keys[j]))
				return &k->keys[i];
		}
	}
	return NULL;
}

void cluster_transcript_put(struct cluster_transcript *t, enum cluster_role role, struct bytes frame)
{
	uint8_t *digest = role == CLUSTER_DIALLED ? t->dialled : t->dialler;
	crypto_generichash(
	    digest, CLUSTER_DIGEST_BYTES, frame.p, frame.n, (const uint8_t *)hello_use, sizeof(hello_use) - 1);
}

/* All parts have a fixed length, so no two inputs read alike. */
static void make_mac(const struct cluster_key *key, enum cluster_role role,
    const struct cluster_transcript *t, uint8_t out[RPC_MAC_BYTES])
{
	uint8_t text[sizeof(proof_use) + 1 + 2 * CLUSTER_DIGEST_BYTES];
	uint8_t *at = text;
	memcpy(at, proof_use, sizeof(proof_use));
	at += sizeof(proof_use);
	*at++ = (uint8_t)role;
	memcpy(at, t->dialled, CLUSTER_DIGEST_BYTES);
	memcpy(at + CLUSTER_DIGEST_BYTES, t->dialler, CLUSTER_DIGEST_BYTES);
	crypto_generichash(out, RPC_MAC_BYTES, text, sizeof(text), key->proof_key, sizeof(key->proof_key));
}

void cluster_prove(const struct cluster_key *key, enum cluster_role role, const struct cluster_transcript *t,
    struct rpc_proof *out)
{
	out->key = key->id;
	make_mac(key, role, t, out->mac);
}

bool cluster_believe(const struct cluster_keys *k, enum cluster_role role, const struct cluster_transcript *t,
    const struct rpc_proof *p)
{
	for (size_t i = 0; i < k->n; i++) {
		if (!same_id(&k->keys[i].id, &p->key))
			continue;
		uint8_t mac[RPC_MAC_BYTES];
		make_mac(&k->keys[i], role, t, mac);
		bool same = sodium_memcmp(mac, p->mac, sizeof(mac)) == 0;
		sodium_memzero(mac, sizeof(mac));
		return same;
	}
	return false;
}
