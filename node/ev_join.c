#include "node/ev_join.h"

#include "node/fs_log.h"

enum { LOOK_MS = 20, SAY_EVERY_S = 60 };

static uint64_t waited_ms(const struct join *j)
{
	return (uint64_t)((ev_now(j->loop) - j->began) * 1000);
}

static void become_ready(struct join *j, const char *why)
{
	join_end(j);
	LOG_EVENT(LOG_INFO, "node", "joined", why, LOG_U64("after_ms", waited_ms(j)),
	    LOG_U64("nodes", kvs_members_n(control_kvs(j->control))));
	control_set_state(j->control, NODE_READY);
}

/* Another living node has this one's name, and had it first; of two that come at once, the lower id. */
static bool has_namesake(const struct kvs *kvs, const struct node_id *self, struct bytes name)
{
	for (size_t i = 0; i < kvs_members_n(kvs); i++) {
		struct kvs_member m;
		kvs_member_at(kvs, i, &m);
		if (m.reg == NULL || m.liveness == KVS_DOWN || !bytes_eq(m.reg->name, name))
			continue;
		int order = node_id_cmp(&m.id, self);
		if (order != 0 && (m.reg->state != NODE_JOINING || order < 0))
			return true;
	}
	return false;
}

static void say_namesake(struct join *j)
{
	if (j->said > 0 && ev_now(j->loop) - j->said < SAY_EVERY_S)
		return;
	j->said = ev_now(j->loop);
	LOG_EVENT(LOG_ERROR, "node", "not-ready",
	    "another living node has this node's name: give each one of its own (node: ...)",
	    LOG_BYTES("name", j->name));
}

static void on_look(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	struct join *j = w->data;
	const struct kvs *kvs = control_kvs(j->control);
	bool patient = waited_ms(j) < JOIN_PATIENCE_MS, caught_up = kvs_caught_up(kvs);
	if ((caught_up || !patient) && has_namesake(kvs, &j->self, j->name)) {
		if (!patient)
			say_namesake(j);
		return;
	}
	if (caught_up)
		become_ready(
		    j, kvs_members_n(kvs) == 1 ? "no other node is up" : "the replica has what its peers have");
	else if (!patient)
		become_ready(j, "no peer answered: the replica is what the disk held");
}

void join_begin(struct join *j, struct control *control, const struct node_id *self, const char *name,
    struct ev_loop *loop)
{
	*j = (struct join){
		.control = control, .loop = loop, .began = ev_now(loop), .self = *self, .name = bytes_str(name)
	};
	ev_timer_init(&j->look, on_look, LOOK_MS / 1000.0, LOOK_MS / 1000.0);
	j->look.data = j;
	ev_timer_start(loop, &j->look);
}

void join_end(struct join *j)
{
	if (j->loop != NULL)
		ev_timer_stop(j->loop, &j->look);
}
