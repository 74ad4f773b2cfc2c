#include "node/ev_watchdog.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>

static void on_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)t;
	(void)revents;
	(void)sd_notify(0, "WATCHDOG=1");
}

void watchdog_start(struct watchdog *w, struct ev_loop *loop)
{
	uint64_t us = 0;
	ev_timer_init(&w->timer, on_timer, 0.0, 0.0);
	if (sd_watchdog_enabled(0, &us) <= 0)
		return;
	/* A third: two may come late. */
	ev_timer_set(&w->timer, 0.0, (double)us / 3e6);
	ev_timer_start(loop, &w->timer);
}

void watchdog_stop(struct watchdog *w, struct ev_loop *loop)
{
	ev_timer_stop(loop, &w->timer);
}
