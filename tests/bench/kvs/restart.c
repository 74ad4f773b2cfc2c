/* How long a start takes with what fill left, and what it costs. */
#include "bench.h"

int restart_main(const struct options *o)
{
	uint64_t before = private_bytes();
	struct host_config c = { .dir = o->dir, .name = "filled" };
	struct host *h = host_new(&c);
	struct kvs_counters count;
	kvs_count(host_core(h), &count);
	CHECK(count.entries >= locations_each(o) * o->owners);
	say_begin();
	say("loaded", (double)count.entries);
	say("open_ms", (double)host_open_ns(h) / 1e6);
	say("load_ms", (double)host_load_ns(h) / 1e6);
	say("restart_ms", (double)(host_open_ns(h) + host_load_ns(h)) / 1e6);
	say("memory_b", (double)(private_bytes() - before) / (double)count.entries);
	say_end();
	host_free(h);
	host_exit();
	return 0;
}
