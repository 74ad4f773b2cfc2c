#include "node/ev_join.h"

#include "node/fs_log.h"

#include <string.h>

enum { LOOK_MS = 20 };

bool join_has_other_seeds(const struct config *c)
{
	for (size_t i = 0; i < c->seeds.n; i++)
		if (strcmp(c->seeds.v[i], c->advertise_rpc) != 0)
			return true;
	return false;
}

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
	if (kvs_caught_up(control_kvs(j->control)))
		become_ready(j, "the replica has what its peers have");
	else if (waited_ms(j) >= JOIN_PATIENCE_MS)
		become_ready(j, "no peer was there to compare with: the replica is what the disk held");
}

void join_begin(struct join *j, struct control *control, const struct config *config, struct ev_loop *loop)
{
	*j = (struct join){ .control = control, .loop = loop, .began = ev_now(loop) };
	ev_timer_init(&j->look, on_look, LOOK_MS / 1000.0, LOOK_MS / 1000.0);
	j->look.data = j;
	if (join_has_other_seeds(config))
		ev_timer_start(loop, &j->look);
	else
		become_ready(j, "this node is its own only seed");
}

void join_end(struct join *j)
{
	if (j->loop != NULL)
		ev_timer_stop(j->loop, &j->look);
}
