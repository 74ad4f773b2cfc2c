/* In place of node/cache/fs_upkeep.c: no thread. A test does at its own times what the thread would do. */
#include "node/cache/fs_cache.h"

void cache_upkeep_start(struct cache_disk *d)
{
	(void)d;
}

void cache_upkeep_stop(struct cache_disk *d)
{
	cache_disk_close(d);
}
