/* Tells systemd that the control loop turns (WatchdogSec=, sd_watchdog_enabled(3)). One that stands still
 * takes its node out of the cluster while its process seems to live: systemd ends it with SIGABRT, which
 * leaves a core to look at, and starts it again. Without systemd this does nothing.
 *
 * Threading: the control loop's.
 */
#ifndef NODE_EV_WATCHDOG_H
#define NODE_EV_WATCHDOG_H

#include <ev.h>

struct watchdog {
	ev_timer timer;
};

void watchdog_start(struct watchdog *w, struct ev_loop *loop);
void watchdog_stop(struct watchdog *w, struct ev_loop *loop);

#endif
