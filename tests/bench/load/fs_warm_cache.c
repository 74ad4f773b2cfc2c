/* bench_warm_cache: fills a delivery node's cache folder, while no node uses it, as if viewers had been
 * there: one small entry object of each content, of origin store "main".
 *
 *     bench_warm_cache FOLDER CONTENTS PATTERN       PATTERN as of warmcast-load --names
 */
#include "base/check.h"
#include "base/text.h"
#include "node/cache/cache.h"
#include "node/fs_boot_id.h"
#include "tests/bench/load/popularity.h"

#include <stdio.h>
#include <time.h>

static const char body[] = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-ENDLIST\n";

static uint64_t now_wall_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_REALTIME, &t) == 0);
	return (uint64_t)t.tv_sec * 1000;
}

static enum err store_one(struct cache *c, const char *content)
{
	char object[CONTENT_MAX + sizeof("/master.m3u8")];
	int n = snprintf(object, sizeof(object), "%s/master.m3u8", content);
	struct cache_key k = { .origin = BYTES_LIT("main"), .object = bytes_of(object, (size_t)n) };
	struct cache_meta m = {
		.content = bytes_str(content),
		.length = sizeof(body) - 1,
		.etag = "\"1\"",
		.answered_wall_ms = now_wall_ms(),
		.ttl_ms = UINT64_MAX,
		.mark = cache_mark(c),
	};
	struct cache_writer *w;
	enum err e = cache_write_begin(c, &k, &m, &w);
	if (e != OK)
		return e;
	e = cache_write(w, BYTES_LIT(body));
	if (e == OK)
		return cache_write_commit(w);
	cache_write_abort(w);
	return e;
}

static enum err store_all(struct cache *c, uint64_t contents, const char *names)
{
	char content[CONTENT_MAX + 1];
	enum err e = OK;
	for (uint64_t i = 0; i < contents && e == OK; i++) {
		e = content_name(names, i, content);
		if (e == OK)
			e = store_one(c, content);
	}
	return e;
}

int main(int argc, char **argv)
{
	uint64_t contents = 0;
	char boot_id[BOOT_ID_LEN + 1];
	if (argc != 4 || text_u64(bytes_str(argv[2]), UINT32_MAX, &contents) != OK) {
		fputs("usage: bench_warm_cache FOLDER CONTENTS PATTERN\n", stderr);
		return 2;
	}
	struct cache_disk_config disk = { argv[1], UINT64_C(1) << 40 };
	struct cache_disk_report report;
	struct cache *cache = NULL;
	enum err e = fs_boot_id(boot_id);
	if (e == OK)
		e = cache_open(
		    &(struct cache_config){ .disks = &disk, .disks_n = 1, .boot_id = boot_id }, &cache, &report);
	if (e == OK)
		e = store_all(cache, contents, argv[3]);
	cache_close(cache);
	if (e != OK)
		fprintf(stderr, "bench_warm_cache: %s: %s\n", argv[1], err_str(e));
	return e == OK ? 0 : 1;
}
