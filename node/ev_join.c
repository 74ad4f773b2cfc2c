#include "node/ev_join.h"

#include "node/fs_log.h"

enum { LOOK_MS = 20 };

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

static void on_look(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	struct join *j = w->data;
	const struct kvs *kvs = control_kvs(j->control);
	if (kvs_caught_up(kvs))
		become_ready(
		    j, kvs_members_n(kvs) == 1 ? "no other node is up" : "the replica has what its peers have");
	else if (waited_ms(j) >= JOIN_PATIENCE_MS)
		become_ready(j, "no peer answered: the replica is what the disk held");
}

void join_begin(struct join *j, struct control *control, struct ev_loop *loop)
{
	*j = (struct join){ .control = control, .loop = loop, .began = ev_now(loop) };
	ev_timer_init(&j->look, on_look, LOOK_MS / 1000.0, LOOK_MS / 1000.0);
	j->look.data = j;
	ev_timer_start(loop, &j->look);
}

void join_end(struct join *j)
{
	if (j->loop != NULL)
		ev_timer_stop(j->loop, &j->look);
}
