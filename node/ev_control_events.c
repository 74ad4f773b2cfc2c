#include "node/ev_control_events.h"

#include "base/text.h"
#include "node/delivery/sessions.h"
#include "node/fs_log.h"

/* At most that many idle sessions end in one turn of the loop: the rest a second later. */
enum { EXPIRE_MAX = 4096 };

static const struct {
	enum log_level level;
	const char *event;
	const char *msg;
} texts[] = {
	[KVS_EVENT_NODE_ALIVE] = { LOG_INFO, "node-alive", "a node is reachable" },
	[KVS_EVENT_NODE_SUSPECT] = { LOG_INFO, "node-suspect", "a node may not be reachable: others come first" },
	[KVS_EVENT_NODE_DOWN] = { LOG_WARN, "node-down", "a node is not reachable: no viewer is sent there" },
	[KVS_EVENT_CLAIM] = { LOG_INFO, "claim", "this node does not hear one that it watches, and says so" },
	[KVS_EVENT_CLAIM_WITHDRAWN] = { LOG_INFO, "claim-withdrawn",
	    "this node hears again one that it watches" },
	[KVS_EVENT_LIFE_RAISED] = { LOG_WARN, "life-raised",
	    "others take this node for down, by what nodes said that are gone: it tells them that it lives" },
	[KVS_EVENT_NODE_STATE] = { LOG_INFO, "node-state", "a node says another state of itself" },
	[KVS_EVENT_NODE_EXPELLED] = { LOG_WARN, "node-expelled",
	    "a node was expelled: nobody links to it, and no viewer is sent there" },
	[KVS_EVENT_COMMAND_AHEAD] = { LOG_ERROR, "command-ahead",
	    "an operator's order is of a time that has not come: set the clocks of both nodes right" },
	[KVS_EVENT_ROW_RESET] = { LOG_INFO, "row-reset",
	    "an old history of a node was dropped and is fetched anew" },
	[KVS_EVENT_ROW_DIFFERS] = { LOG_WARN, "row-differs",
	    "a node's row has other bytes here than at a peer, at the same version: it is fetched anew" },
	[KVS_EVENT_OWN_JUMPED] = { LOG_WARN, "incarnation-jumped",
	    "this node's id was seen under a later incarnation: its disk is older than what it once told; a new "
	    "history begins" },
	[KVS_EVENT_DUPLICATE_ID] = { LOG_ERROR, "duplicate-id",
	    "another process has this node's id (a cloned disk?): this one leaves, and starts again as a new "
	    "node" },
	[KVS_EVENT_DUPLICATE_NAME] = { LOG_ERROR, "duplicate-name",
	    "two living nodes have the same name: give each one of its own" },
	[KVS_EVENT_MUTE] = { LOG_ERROR, "mute", "nothing new is told until the store can be written" },
	[KVS_EVENT_REFUSED_FRAME] = { LOG_WARN, "frame-refused",
	    "a peer sent what breaks the rules of the replica" },
};

void control_log_event(const struct kvs_event *e, struct bytes name)
{
	static struct log_limit refused; /* how often that comes is a peer's to say */
	if (e->kind == KVS_EVENT_REFUSED_FRAME &&
	    !log_allowed(&refused, texts[e->kind].level, "kvs", texts[e->kind].event))
		return;
	char id[2 * NODE_ID_BYTES + 1];
	text_hex(id, bytes_of(e->node.b, NODE_ID_BYTES));
	LOG_EVENT(texts[e->kind].level, "kvs", texts[e->kind].event, texts[e->kind].msg, LOG_BYTES("peer", name),
	    LOG_STR("peer_id", id), LOG_STR("detail", e->detail != NULL ? e->detail : ""),
	    LOG_U64("value", e->value));
}

static void log_end(void *arg, const struct session_end *e)
{
	(void)arg;
	char id[2 * RPC_SESSION_ID_BYTES + 1];
	text_hex(id, bytes_of(e->id.b, RPC_SESSION_ID_BYTES));
	LOG_EVENT(LOG_INFO, "session", "ended", e->idle ? "a session went idle" : "a session was ended",
	    LOG_STR("session", id), LOG_U64("duration_ms", e->ended_ms - e->started_ms),
	    LOG_U64("bytes", e->bytes), LOG_U64("hit_bytes", e->hit_bytes), LOG_U64("requests", e->requests));
}

void control_session_ended(struct sessions *s, const struct rpc_session_id *id, uint64_t now_mono_ms)
{
	struct session_end e;
	if (sessions_end(s, id, now_mono_ms, &e))
		log_end(NULL, &e);
}

void control_sessions_expire(struct sessions *s, uint64_t now_mono_ms)
{
	(void)sessions_expire(s, now_mono_ms, EXPIRE_MAX, log_end, NULL);
}
