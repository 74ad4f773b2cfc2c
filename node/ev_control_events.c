#include "node/ev_control_events.h"

#include "base/text.h"
#include "node/delivery/sessions.h"
#include "node/ev_control_state.h"
#include "node/fs_log.h"
#include "node/member_of.h"

#include <string.h>

enum {
	/* At most that many idle sessions end in one turn of the loop: the rest a second later. */
	EXPIRE_MAX = 4096,
	/* Less than what makes peers suspect a node, and far more than a turn of the loop. */
	STALLED_MS = 1000,
	FIELDS_MAX = 12,
	CLAIMERS_TEXT = KVS_CLAIMERS_MAX * (RPC_NAME_MAX + 1) + 1,
};

struct text {
	enum log_level level;
	const char *event, *msg;
	const char *detail, *value; /* what the event's members of these names are called; NULL: not shown */
};

static const struct text texts[] = {
	[KVS_EVENT_NODE_ALIVE] = { LOG_INFO, "node-alive", "a node is reachable", "reason", "incarnation" },
	[KVS_EVENT_NODE_SUSPECT] = { LOG_INFO, "node-suspect", "a node may not be reachable: others come first",
	    "reason", "claims" },
	[KVS_EVENT_NODE_DOWN] = { LOG_WARN, "node-down", "a node is not reachable: no viewer is sent there",
	    "reason", "claims" },
	[KVS_EVENT_CLAIM] = { LOG_INFO, "claim", "this node does not hear one that it watches, and says so",
	    "reason", "unheard_ms" },
	[KVS_EVENT_CLAIM_WITHDRAWN] = { LOG_INFO, "claim-withdrawn",
	    "this node hears again one that it watches" },
	[KVS_EVENT_LIFE_RAISED] = { LOG_WARN, "life-raised",
	    "nodes that are gone said that this one cannot be reached: it tells all that it lives", NULL,
	    "life" },
	[KVS_EVENT_NODE_STATE] = { LOG_INFO, "node-state", "a node says another state of itself", "state" },
	[KVS_EVENT_NODE_EXPELLED] = { LOG_WARN, "node-expelled",
	    "a node was expelled: nobody links to it, and no viewer is sent there" },
	[KVS_EVENT_COMMAND_AHEAD] = { LOG_ERROR, "command-ahead",
	    "an operator's order is of a time that has not come: set the clocks of both nodes right" },
	[KVS_EVENT_ROW_RESET] = { LOG_INFO, "row-reset",
	    "an old history of a node was dropped and is fetched anew", NULL, "entries" },
	[KVS_EVENT_ROW_DIFFERS] = { LOG_WARN, "row-differs",
	    "a node's row has other bytes here than at a peer, at the same version: it is fetched anew", NULL,
	    "version" },
	[KVS_EVENT_OWN_JUMPED] = { LOG_WARN, "incarnation-jumped",
	    "this node's id was seen under a later incarnation: its disk is older than what it once told; a new "
	    "history begins",
	    NULL, "seen_incarnation" },
	[KVS_EVENT_DUPLICATE_ID] = { LOG_ERROR, "duplicate-id",
	    "another process has this node's id (a cloned disk?): this one leaves, and starts again as a new "
	    "node",
	    NULL, "seen_incarnation" },
	[KVS_EVENT_DUPLICATE_NAME] = { LOG_ERROR, "duplicate-name",
	    "two living nodes have the same name: give each one of its own" },
	/* store-failed has said it. */
	[KVS_EVENT_MUTE] = { LOG_DEBUG, "mute", "nothing new is told until the store can be written" },
	[KVS_EVENT_REFUSED_FRAME] = { LOG_WARN, "frame-refused",
	    "what breaks the rules of the replica was not taken: the peer sent it, or it was about the peer's "
	    "row",
	    "reason", "value" },
};

/* Who has left is down too, and nothing is wrong: node-state has said it. */
static const struct text text_left = { LOG_DEBUG, "node-left",
	"a node has left in good order: no viewer is sent there" };

/* -- what is known of an event's node -- */

static struct bytes name_of(const struct control *c, const struct node_id *id)
{
	struct kvs_member m;
	if (member_of(c->kvs, id, &m) && m.reg != NULL)
		return m.reg->name;
	for (size_t i = 0; i < c->peers_n; i++)
		if (node_id_eq(&c->peers[i].node, id))
			return bytes_str(c->peers[i].name);
	return BYTES_NONE;
}

static bool is_of_liveness(enum kvs_event_kind kind, enum kvs_liveness *out)
{
	switch (kind) {
	case KVS_EVENT_NODE_ALIVE: *out = KVS_ALIVE; return true;
	case KVS_EVENT_NODE_SUSPECT: *out = KVS_SUSPECT; return true;
	case KVS_EVENT_NODE_DOWN: *out = KVS_DOWN; return true;
	default: return false;
	}
}

static const char *const liveness_names[] = { "alive", "suspect", "down" };

/* What the node of event `at` was until then, and for how long: by an earlier event of this step, else by the
 * view, which is of the step before. NULL: unknown until now. */
static const char *was_before(const struct control *c, size_t at, uint64_t now_ms, uint64_t *for_ms)
{
	const struct node_id *id = &c->out.events[at].node;
	*for_ms = 0;
	for (size_t i = at; i-- > 0;) {
		enum kvs_liveness was;
		if (node_id_eq(&c->out.events[i].node, id) && is_of_liveness(c->out.events[i].kind, &was))
			return liveness_names[was];
	}
	const struct view_node *n = cluster_view_find(atomic_load(&c->c.views->current), id);
	if (n == NULL)
		return NULL;
	*for_ms = now_ms - n->since_ms;
	return n->state == NODE_LEFT ? "left" : liveness_names[n->liveness];
}

/* Names where they are known, else ids. */
static void put_claimers(const struct control *c, const struct node_id *on, char out[CLAIMERS_TEXT])
{
	struct node_id by[KVS_CLAIMERS_MAX];
	size_t n = kvs_claimers(c->kvs, on, by), used = 0;
	for (size_t i = 0; i < n; i++) {
		char id[2 * NODE_ID_BYTES + 1];
		text_hex(id, bytes_of(by[i].b, NODE_ID_BYTES));
		struct bytes name = name_of(c, &by[i]);
		if (name.n == 0)
			name = bytes_str(id);
		if (used > 0)
			out[used++] = ',';
		memcpy(out + used, name.p, name.n); /* the codec's limit is RPC_NAME_MAX */
		used += name.n;
	}
	out[used] = '\0';
}

/* -- lines -- */

/* A state of itself has been said, with why, by whom it was set. While a node joins, it hears of everybody,
 * and `joined` tells how many they are. */
static enum log_level level_of(const struct control *c, const struct kvs_event *e, const struct text *t)
{
	bool state = e->kind == KVS_EVENT_NODE_STATE;
	bool own = node_id_eq(&e->node, &c->c.identity->self);
	bool joining = c->state == NODE_JOINING && (state || e->kind == KVS_EVENT_NODE_ALIVE);
	return joining || (state && own) ? LOG_DEBUG : t->level;
}

struct line {
	struct log_field fields[FIELDS_MAX];
	size_t n;
	char id[2 * NODE_ID_BYTES + 1], other[2 * NODE_ID_BYTES + 1], by[CLAIMERS_TEXT];
};

static void add(struct line *l, struct log_field field)
{
	CHECK(l->n < FIELDS_MAX - 1);
	l->fields[l->n++] = field;
}

/* Who says so, since when it is unheard, and what it was before. */
static void add_liveness(struct line *l, const struct control *c, size_t at, enum kvs_liveness is,
    const struct kvs_member *m, uint64_t now_ms)
{
	put_claimers(c, &m->id, l->by);
	if (is != KVS_ALIVE && l->by[0] != '\0')
		add(l, LOG_STR("claimed_by", l->by));
	if (is != KVS_ALIVE && m->heard_ms > 0)
		add(l, LOG_U64("unheard_ms", now_ms - m->heard_ms));
	uint64_t was_ms;
	const char *was = was_before(c, at, now_ms, &was_ms);
	if (was == NULL || was == liveness_names[is])
		return;
	add(l, LOG_STR("was", was));
	add(l, LOG_U64("was_ms", was_ms));
}

/* The other living node of that name. */
static void add_namesake(struct line *l, const struct control *c, const struct kvs_member *m)
{
	for (size_t i = 0; i < kvs_members_n(c->kvs); i++) {
		struct kvs_member other;
		kvs_member_at(c->kvs, i, &other);
		if (other.reg == NULL || other.liveness == KVS_DOWN || node_id_eq(&other.id, &m->id) ||
		    !bytes_eq(other.reg->name, name_of(c, &m->id)))
			continue;
		text_hex(l->other, bytes_of(other.id.b, NODE_ID_BYTES));
		add(l, LOG_STR("other_id", l->other));
		return;
	}
}

static void log_one(const struct control *c, size_t at, uint64_t now_ms)
{
	const struct kvs_event *e = &c->out.events[at];
	const struct text *t = &texts[e->kind];
	struct line l = { .n = 0 };
	struct kvs_member m;
	bool known = member_of(c->kvs, &e->node, &m);
	if (e->kind == KVS_EVENT_NODE_DOWN && known && m.reg != NULL && m.reg->state == NODE_LEFT)
		t = &text_left;
	text_hex(l.id, bytes_of(e->node.b, NODE_ID_BYTES));
	add(&l, LOG_BYTES("peer", name_of(c, &e->node)));
	add(&l, LOG_STR("peer_id", l.id));
	if (t->detail != NULL)
		add(&l, LOG_STR(t->detail, e->detail));
	if (t->value != NULL)
		add(&l, LOG_U64(t->value, e->value));
	enum kvs_liveness is;
	if (known && t != &text_left && is_of_liveness(e->kind, &is))
		add_liveness(&l, c, at, is, &m, now_ms);
	if (known && e->kind == KVS_EVENT_DUPLICATE_NAME)
		add_namesake(&l, c, &m);
	l.fields[l.n] = LOG_END;
	log_event(level_of(c, e, t), "kvs", t->event, t->msg, l.fields);
}

void control_log_events(const struct control *c)
{
	static struct log_limit refused; /* how often that comes is a peer's to say */
	uint64_t now_ms = c->out.events_n > 0 ? control_now_ms() : 0;
	for (size_t i = 0; i < c->out.events_n; i++) {
		enum kvs_event_kind kind = c->out.events[i].kind;
		if (kind != KVS_EVENT_REFUSED_FRAME ||
		    log_allowed(&refused, texts[kind].level, "kvs", texts[kind].event))
			log_one(c, i, now_ms);
	}
}

void control_log_stall(uint64_t due_ms, uint64_t now_ms)
{
	if (due_ms < now_ms && now_ms - due_ms >= STALLED_MS)
		LOG_LIMITED(LOG_WARN, "node", "stalled",
		    "this node stood still (stopped, or its machine was busy or asleep): peers may have held it for "
		    "down",
		    LOG_U64("stalled_ms", now_ms - due_ms));
}

/* -- sessions -- */

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
