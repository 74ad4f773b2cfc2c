#include "rpc/hello.h"

#include <stdio.h>

static bool share_a_key(const struct rpc_hello *a, const struct rpc_hello *b)
{
	if (a->keys_n == 0 && b->keys_n == 0)
		return true;
	for (size_t i = 0; i < a->keys_n; i++) {
		for (size_t j = 0; j < b->keys_n; j++) {
			if (bytes_eq(key_id_bytes(&a->keys[i]), key_id_bytes(&b->keys[j])))
				return true;
		}
	}
	return false;
}

enum rpc_refusal hello_check(const struct rpc_hello *self, const struct rpc_hello *peer, uint32_t *version)
{
	if (!bytes_eq(self->cluster, peer->cluster))
		return RPC_REFUSED_CLUSTER;
	if (node_id_eq(&self->node, &peer->node))
		return RPC_REFUSED_SELF;
	uint32_t low = self->version_min > peer->version_min ? self->version_min : peer->version_min;
	uint32_t high = self->version_max < peer->version_max ? self->version_max : peer->version_max;
	if (low > high)
		return RPC_REFUSED_VERSION;
	if (!share_a_key(self, peer))
		return RPC_REFUSED_KEY;
	*version = high;
	return RPC_NOT_REFUSED;
}

#define TEXT(b) (int)(b).n, (const char *)(b).p

static void key_refusal_text(
    const struct rpc_hello *self, const struct rpc_hello *peer, char *out, size_t room)
{
	if (self->keys_n == 0)
		snprintf(out, room, "node '%.*s' has no cluster key, and node '%.*s' demands a proof of one",
		    TEXT(self->name), TEXT(peer->name));
	else if (peer->keys_n == 0)
		snprintf(out, room, "node '%.*s' demands a proof of the cluster's key, and node '%.*s' has none",
		    TEXT(self->name), TEXT(peer->name));
	else
		snprintf(out, room, "node '%.*s' does not know this cluster's key", TEXT(peer->name));
}

/* Names are within RPC_NAME_MAX, so the text is never cut in practice. */
void hello_refusal_text(enum rpc_refusal reason, const struct rpc_hello *self, const struct rpc_hello *peer,
    char out[RPC_TEXT_MAX + 1])
{
	size_t room = RPC_TEXT_MAX + 1;
	out[0] = '\0';
	switch (reason) {
	case RPC_REFUSED_KEY:
		if (peer == NULL)
			break;
		key_refusal_text(self, peer, out, room);
		return;
	case RPC_REFUSED_CLUSTER:
		if (peer == NULL)
			break;
		snprintf(out, room, "node '%.*s' is of cluster '%.*s', not of '%.*s'", TEXT(self->name),
		    TEXT(self->cluster), TEXT(peer->cluster));
		return;
	case RPC_REFUSED_VERSION:
		if (peer == NULL)
			break;
		snprintf(out, room, "node '%.*s' speaks protocol versions %u to %u, not %u to %u", TEXT(self->name),
		    self->version_min, self->version_max, peer->version_min, peer->version_max);
		return;
	case RPC_REFUSED_TLS: break;
	case RPC_REFUSED_EXPELLED:
		if (peer == NULL)
			break;
		snprintf(out, room,
		    "an operator expelled node '%.*s': with an empty data_dir it may come back, under a new id",
		    TEXT(peer->name));
		return;
	case RPC_REFUSED_SELF: snprintf(out, room, "the same node id on both ends"); return;
	case RPC_REFUSED_DUPLICATE: snprintf(out, room, "there is another link between the two nodes"); return;
	case RPC_REFUSED_MALFORMED: snprintf(out, room, "no valid hello"); return;
	}
	snprintf(out, room, "refused by node '%.*s'", TEXT(self->name));
}

enum hello_verdict hello_meet(
    const struct node_id *self, const struct rpc_hello *peer, bool dialled, struct hello_link old)
{
	int newer = incarnation_cmp(peer->incarnation, old.peer);
	if (newer != 0 && old.unproven)
		return HELLO_NEW_STAYS;
	if (newer != 0)
		return newer > 0 ? HELLO_NEW_STAYS : HELLO_BOTH_STAY;
	if (dialled)
		return HELLO_OLD_STAYS;
	if (!old.dialled)
		return HELLO_NEW_STAYS;
	return node_id_cmp(&peer->node, self) < 0 ? HELLO_NEW_STAYS : HELLO_OLD_STAYS;
}
