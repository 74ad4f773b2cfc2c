/* Fills a cache with many empty objects, then starts it in a process of its own and tells when it serves. */
#include "base/check.h"
#include "base/prng.h"
#include "base/text.h"
#include "node/cache/cache.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "bench_cache_start [OPTION]...\n"
    "  --dir DIR       where the cache lies (a new folder in TMPDIR, removed at the end);\n"
    "                  what an earlier run filled there is used again\n"
    "  --units N       (1000000)\n"
    "  --rebooted      as after a crash of the host, when what was not synced is read\n"
    "  --json          one JSON object\n";

enum { SEGMENTS = 600, FLUSH_EVERY = 20000, GETS = 200000, PATH_BYTES = 4096 };

struct options {
	char dir[PATH_BYTES];
	uint64_t units;
	bool json, rebooted, cold;
};

struct told {
	double open_ms, open_cpu_ms, first_ms, gets_s, unit_bytes, close_ms;
	uint64_t units;
};

static double now_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Of this process and of the children that ended. */
static double cpu_ms(void)
{
	static const int whose[] = { RUSAGE_SELF, RUSAGE_CHILDREN };
	double sum = 0;
	for (unsigned i = 0; i < 2; i++) {
		struct rusage u;
		CHECK(getrusage(whose[i], &u) == 0);
		sum += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
		       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
	}
	return sum;
}

/* Memory of its own, without the pages of the index that are mapped. */
static double private_bytes(void)
{
	char line[256];
	unsigned long kib = 0;
	FILE *f = fopen("/proc/self/status", "r");
	CHECK(f != NULL);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "RssAnon:", 8) == 0)
			kib = strtoul(line + 8, NULL, 10);
	CHECK(fclose(f) == 0 && kib > 0);
	return (double)kib * 1024;
}

static struct cache_key key_of(uint64_t i, char text[64])
{
	int n = snprintf(
	    text, 64, "programmes/lv%07" PRIu64 "/1080p/segment-%05" PRIu64 ".m4s", i / SEGMENTS, i % SEGMENTS);
	return (struct cache_key){ .origin = BYTES_LIT("main"), .object = bytes_of(text, (size_t)n) };
}

static struct cache *open_cache(const struct options *o, const char *boot, struct cache_disk_report *report)
{
	struct cache_disk_config disk = { .path = o->dir, .size_bytes = (uint64_t)1 << 40 };
	struct cache_config config = { .disks = &disk, .disks_n = 1, .boot_id = boot };
	struct cache *c;
	enum err e = cache_open(&config, &c, report);
	if (e == OK)
		return c;
	(void)fprintf(stderr, "bench_cache_start: cannot open %s: %s %s\n", o->dir, err_str(e), report->detail);
	exit(1);
}

static void flush(struct cache *c)
{
	struct cache_purge_ids ids = { .n = 0 };
	CHECK(cache_purges_store(c, NULL, 0, &ids) == OK);
}

static void put(struct cache *c, uint64_t i)
{
	char text[64];
	struct cache_key k = key_of(i, text);
	struct cache_meta m = { .content = bytes_head(k.object, sizeof("programmes/lv0000000") - 1),
		.answered_wall_ms = 1,
		.ttl_ms = UINT64_MAX,
		.mark = cache_mark(c) };
	(void)snprintf(m.etag, sizeof(m.etag), "\"%016" PRIx64 "\"", i * 0x9e3779b97f4a7c15u);
	struct cache_writer *w;
	CHECK(cache_write_begin(c, &k, &m, &w) == OK && cache_write_commit(w) == OK);
}

static void fill(const struct options *o)
{
	struct cache_disk_report report;
	struct cache *c = open_cache(o, "filled", &report);
	for (uint64_t i = report.units; i < o->units; i++) {
		put(c, i);
		if (i % FLUSH_EVERY == 0)
			flush(c);
	}
	flush(c);
	cache_close(c);
}

static bool get(struct cache *c, uint64_t i)
{
	char text[64];
	struct cache_key k = key_of(i, text);
	struct cache_unit *u = cache_get(c, &k);
	cache_release(c, u);
	return u != NULL;
}

static void forget_index(const struct options *o)
{
	char path[PATH_BYTES + 32];
	(void)snprintf(path, sizeof(path), "%s/index/data.mdb", o->dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && fdatasync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
	(void)close(fd);
}

static struct told start(const struct options *o)
{
	struct told t = { 0 };
	struct cache_disk_report report;
	if (o->cold)
		forget_index(o);
	double before_bytes = private_bytes(), from_ms = now_ms(), from_cpu_ms = cpu_ms();
	struct cache *c = open_cache(o, o->rebooted ? "another" : "filled", &report);
	t.open_ms = now_ms() - from_ms;
	t.open_cpu_ms = cpu_ms() - from_cpu_ms;
	CHECK(get(c, o->units / 2));
	t.first_ms = now_ms() - from_ms;
	t.units = report.units;
	t.unit_bytes = (private_bytes() - before_bytes) / (double)report.units;
	struct prng p;
	prng_init(&p, 1);
	from_ms = now_ms();
	for (unsigned i = 0; i < GETS; i++)
		CHECK(get(c, prng_below(&p, o->units)));
	t.gets_s = GETS / (now_ms() - from_ms) * 1e3;
	from_ms = now_ms();
	cache_close(c);
	t.close_ms = now_ms() - from_ms;
	return t;
}

/* In a process of its own, so that neither memory nor descriptors of the one are the other's. */
static void in_child(const struct options *o, void (*act)(const struct options *o))
{
	int status;
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		act(o);
		(void)fflush(stdout);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		exit(1);
}

static void start_and_tell(const struct options *o)
{
	struct told t = start(o);
	if (o->json)
		printf("{\"units\": %" PRIu64
		       ", \"open_ms\": %.1f, \"open_cpu_ms\": %.1f, \"first_ms\": %.1f, \"gets_s\": %.0f, "
		       "\"unit_bytes\": %.0f, \"close_ms\": %.1f}\n",
		    t.units, t.open_ms, t.open_cpu_ms, t.first_ms, t.gets_s, t.unit_bytes, t.close_ms);
	else
		printf("%" PRIu64 " units: open %.0f ms (%.0f of CPU), first served after %.0f ms, %.0f gets a "
		       "second, %.0f bytes a "
		       "unit, close %.0f ms\n",
		    t.units, t.open_ms, t.open_cpu_ms, t.first_ms, t.gets_s, t.unit_bytes, t.close_ms);
}

static bool take(struct options *o, const char *name, const char *value)
{
	if (value == NULL)
		return false;
	if (strcmp(name, "--units") == 0)
		return text_u64(bytes_str(value), (uint64_t)1 << 32, &o->units) == OK && o->units > 0;
	if (strcmp(name, "--dir") != 0 || strlen(value) >= sizeof(o->dir))
		return false;
	(void)snprintf(o->dir, sizeof(o->dir), "%s", value);
	return true;
}

static void make_dir(struct options *o)
{
	const char *place = getenv("TMPDIR");
	(void)snprintf(o->dir, sizeof(o->dir), "%s/cache-start-XXXXXX", place != NULL ? place : "/tmp");
	CHECK(mkdtemp(o->dir) != NULL);
}

static void remove_dir(const struct options *o)
{
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		(void)execlp("rm", "rm", "-rf", "--", o->dir, (char *)NULL);
		_exit(1);
	}
	CHECK(waitpid(pid, NULL, 0) == pid);
}

int main(int argc, char **argv)
{
	struct options o = { .units = 1000000 };
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			o.json = true;
		} else if (strcmp(argv[i], "--rebooted") == 0) {
			o.rebooted = true;
		} else if (strcmp(argv[i], "--cold") == 0) {
			o.cold = true;
		} else if (take(&o, argv[i], argv[i + 1])) {
			i++;
		} else {
			(void)fprintf(stderr, "%s", usage);
			return 2;
		}
	}
	bool is_own = o.dir[0] == 0;
	if (is_own)
		make_dir(&o);
	in_child(&o, fill);
	in_child(&o, start_and_tell);
	if (is_own)
		remove_dir(&o);
	return 0;
}
