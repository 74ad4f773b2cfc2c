/* Two nodes over loopback: one that has everything, and a new one that fetches it. */
#include "bench.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void on_input_end(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	char c;
	if (read(w->fd, &c, 1) <= 0)
		*(bool *)w->data = true;
}

int serve_main(const struct options *o)
{
	struct host_config c = { .dir = o->dir, .name = "serving", .listen = o->address };
	struct host *h = host_new(&c);
	bool ended = false;
	ev_io input;
	ev_io_init(&input, on_input_end, STDIN_FILENO, EV_READ);
	input.data = &ended;
	ev_io_start(host_loop(h), &input);
	printf("{\"serving\": 1}\n");
	fflush(stdout);
	while (!ended)
		host_run(h, true);
	host_free(h);
	host_exit();
	return 0;
}

static uint64_t entries_of(struct host *h)
{
	struct kvs_counters c;
	kvs_count(host_core(h), &c);
	return c.entries;
}

int catchup_main(const struct options *o)
{
	uint64_t wanted = locations_each(o) * o->owners, begin = now_ns(), linked = 0;
	struct host_config c = { .dir = o->dir, .name = "new", .listen = o->listen, .seed = o->address };
	struct host *h = host_new(&c);
	while (entries_of(h) < wanted) {
		host_run(h, true);
		if (linked == 0 && entries_of(h) > 1)
			linked = now_ns();
	}
	uint64_t applied = now_ns();
	host_settle(h);
	say_begin();
	say("locations", (double)wanted);
	say("catchup_s", (double)(applied - begin) / 1e9);
	say("stored_s", (double)(now_ns() - begin) / 1e9);
	say("first_s", (double)(linked - begin) / 1e9);
	say("bytes_in_b", (double)host_bytes_in(h) / (double)wanted);
	say_end();
	host_free(h);
	host_exit();
	return 0;
}
