#include "node/ev_drain.h"

#include "node/fs_log.h"

static double waited_ms(const struct drain *d)
{
	return (ev_now(d->loop) - d->step_since) * 1000.0;
}

static void enter(struct drain *d, int step)
{
	d->step = step;
	d->step_since = ev_now(d->loop);
}

static void closed(struct drain *d)
{
	size_t open = http_server_open_connections(d->viewers);
	if (open > 0)
		LOG_EVENT(LOG_WARN, "node", "drain-cut", "connections were still open after the longest wait",
		    LOG_U64("connections", open));
	control_set_state(d->control, NODE_LEFT);
	enter(d, DRAIN_LEFT);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)revents;
	struct drain *d = w->data;
	if (d->step == DRAIN_TOLD && waited_ms(d) >= DRAIN_TOLD_MS) {
		http_server_drain(d->viewers);
		enter(d, DRAIN_ENDING);
	} else if (d->step == DRAIN_ENDING &&
	           (http_server_former_gone(d->viewers) || waited_ms(d) >= DRAIN_ENDING_MS)) {
		http_server_stop_accepting(d->viewers);
		enter(d, DRAIN_CLOSING);
	} else if (d->step == DRAIN_CLOSING &&
	           (http_server_open_connections(d->viewers) == 0 || waited_ms(d) >= DRAIN_CLOSING_MS)) {
		closed(d);
	} else if (d->step == DRAIN_LEFT && waited_ms(d) >= DRAIN_LEFT_MS) {
		ev_break(loop, EVBREAK_ALL);
	}
}

void drain_init(struct drain *d, struct control *control, struct http_server *viewers, struct ev_loop *loop)
{
	*d = (struct drain){ .control = control, .viewers = viewers, .loop = loop };
	ev_timer_init(&d->timer, on_timer, 0.0, DRAIN_POLL_MS / 1000.0);
	d->timer.data = d;
}

void drain_begin(struct drain *d)
{
	if (d->step != DRAIN_NOT) {
		LOG_EVENT(LOG_WARN, "node", "leave-now", "asked again: leaving without waiting", LOG_END);
		ev_break(d->loop, EVBREAK_ALL);
		return;
	}
	LOG_EVENT(LOG_INFO, "node", "drain", "draining: no new viewer is sent here",
	    LOG_U64("connections", http_server_open_connections(d->viewers)));
	control_set_state(d->control, NODE_DRAINING);
	enter(d, DRAIN_TOLD);
	ev_timer_again(d->loop, &d->timer);
}

void drain_fini(struct drain *d)
{
	ev_timer_stop(d->loop, &d->timer);
}
