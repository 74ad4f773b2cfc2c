/* kill -9 of a process that fills, evicts, removes and purges, at any moment: the next start serves no wrong
 * byte and loses no space (D5). Round after round on the same disk, one boot.
 *
 *     node_cache_fs_kill_test [--seed N] [--rounds N] [--seconds N]
 *
 * Threads and kills are not replayed by a seed; what is on the disk stays when a round fails.
 */
#include "checked_cache.h"

#include "base/prng.h"
#include "base/text.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The thread runs in the process that is killed, and not where space is checked: fs_upkeep.c is in this
 * program under other names (real_upkeep.c). */
void real_upkeep_start(struct cache_disk *d);
void real_upkeep_stop(struct cache_disk *d);

enum { FILLERS = 2, DELAY_MS_MAX = 40 };

/* Sanitizers are there for fewer rounds. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SECONDS_MAX = 6 };
#else
enum { SECONDS_MAX = 15 };
#endif
static struct {
	uint64_t seed, rounds, seconds;
} options = { .seed = 1, .rounds = 200, .seconds = SECONDS_MAX };

static const char *folder;
static bool is_victim;

/* Told by the one who is killed. */
static struct told {
	atomic_uint version;
	atomic_uint floors[CHECKED_CONTENTS]; /* what was filled up to there was purged, durably */
	atomic_uint stored, evicted;
} * told;

void cache_upkeep_start(struct cache_disk *d)
{
	if (is_victim)
		real_upkeep_start(d);
}

void cache_upkeep_stop(struct cache_disk *d)
{
	if (is_victim)
		real_upkeep_stop(d);
	else
		cache_disk_close(d);
}

/* -- who is killed -- */

static void fill(struct cache *c, struct object *o, struct prng *p)
{
	struct cache_mark mark =
	    cache_mark(c); /* before the version: a floor is above it only if the purge is later */
	checked_object((unsigned)prng_below(p, CHECKED_OBJECTS), atomic_fetch_add(&told->version, 1) + 1, o);
	struct cache_key k = checked_key(o);
	struct cache_meta m = checked_meta(o, mark);
	struct cache_writer *w;
	if (cache_write_begin(c, &k, &m, &w) != OK)
		return;
	uint64_t half = prng_below(p, o->length + 1);
	enum err e = cache_write(w, bytes_of(o->bytes, (size_t)half));
	if (e == OK && !prng_chance(p, 100))
		e = cache_write(w, bytes_of(o->bytes + half, (size_t)(o->length - half)));
	if (cache_write_commit(w) == OK)
		atomic_fetch_add(&told->stored, 1);
}

static void purge(struct cache *c, struct prng *p)
{
	unsigned number = (unsigned)prng_below(p, CHECKED_CONTENTS), floor = atomic_load(&told->version);
	struct cache_purge_ids ids = { .n = 0 };
	(void)cache_purge(c, checked_content(number));
	if (cache_purges_store(c, NULL, 0, &ids) == OK && floor > atomic_load(&told->floors[number]))
		atomic_store(&told->floors[number], floor);
}

struct filler {
	struct cache *cache;
	struct prng prng;
	bool purges;
};

static void *keep_filling(void *arg)
{
	struct filler *f = arg;
	struct object *o = malloc(sizeof(*o));
	CHECK(o != NULL);
	for (;;) {
		uint64_t dice = prng_below(&f->prng, 100);
		checked_object((unsigned)prng_below(&f->prng, CHECKED_OBJECTS), 0, o);
		struct cache_key k = checked_key(o);
		if (dice < 60)
			fill(f->cache, o, &f->prng);
		else if (dice < 90)
			cache_release(f->cache, cache_get(f->cache, &k));
		else if (dice < 95)
			cache_remove(f->cache, &k);
		else if (dice < 98)
			(void)cache_index_flush(&f->cache->disks[0]);
		else if (f->purges) /* one thread, so that floors only rise */
			purge(f->cache, &f->prng);
		struct cache_counters n;
		cache_count(f->cache, &n);
		atomic_store(&told->evicted, (unsigned)n.evicted);
	}
}

static _Noreturn void be_killed(uint64_t seed, int ready)
{
	static struct filler fillers[FILLERS];
	is_victim = true;
	struct cache *c = checked_open(folder, "boot");
	CHECK(c != NULL);
	for (unsigned i = 0; i < FILLERS; i++) {
		pthread_t thread;
		fillers[i].cache = c;
		fillers[i].purges = i == 0;
		prng_init(&fillers[i].prng, seed * FILLERS + i);
		CHECK(pthread_create(&thread, NULL, keep_filling, &fillers[i]) == 0);
	}
	CHECK(write(ready, "r", 1) == 1);
	for (;;)
		(void)poll(NULL, 0, -1);
}

/* -- who kills, and looks -- */

static void kill_one(struct prng *p)
{
	int ready[2], status;
	char byte;
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		be_killed(prng_next(p), ready[1]);
	(void)close(ready[1]);
	/* One in eight while it opens. */
	if (!prng_chance(p, 125))
		assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)poll(NULL, 0, (int)prng_below(p, DELAY_MS_MAX));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	(void)close(ready[0]);
}

static const char *look(bool is_space_first)
{
	unsigned floors[CHECKED_CONTENTS];
	for (unsigned i = 0; i < CHECKED_CONTENTS; i++)
		floors[i] = atomic_load(&told->floors[i]);
	struct cache *c = checked_open(folder, "boot");
	if (c == NULL)
		return "the cache does not open";
	/* A unit whose file is missing is found by either. */
	const char *why = is_space_first ? checked_space(c) : NULL;
	if (why == NULL)
		why = checked_bytes(c, floors);
	if (why == NULL)
		why = checked_space(c);
	cache_close(c);
	return why;
}

static void kills_leave_no_wrong_byte_and_lose_no_space(void **state)
{
	(void)state;
	struct prng p;
	prng_init(&p, options.seed);
	uint64_t until_ms = cache_now_mono_ms() + options.seconds * 1000, rounds = 0, stored = 0, evicted = 0;
	for (; rounds < options.rounds && cache_now_mono_ms() < until_ms; rounds++) {
		atomic_store(&told->stored, 0);
		atomic_store(&told->evicted, 0);
		kill_one(&p);
		stored += atomic_load(&told->stored);
		evicted += atomic_load(&told->evicted);
		const char *why = look(prng_chance(&p, 500));
		if (why != NULL)
			(void)fprintf(stderr, "round %llu: %s; see %s\n", (unsigned long long)rounds, why, folder);
		assert_null(why);
	}
	print_message("%llu kills, %llu units stored, %llu evicted\n", (unsigned long long)rounds,
	    (unsigned long long)stored, (unsigned long long)evicted);
	assert_true(stored > 0 && evicted > 0);
}

static int make(void **state)
{
	(void)state;
	folder = checked_folder("kill");
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return folder == NULL || told == MAP_FAILED ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	checked_remove(folder);
	return munmap(told, sizeof(*told));
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2) {
		uint64_t *out = strcmp(argv[i], "--seed") == 0      ? &options.seed
		                : strcmp(argv[i], "--rounds") == 0  ? &options.rounds
		                : strcmp(argv[i], "--seconds") == 0 ? &options.seconds
		                                                    : NULL;
		if (out == NULL || argv[i + 1] == NULL || text_u64(bytes_str(argv[i + 1]), UINT32_MAX, out) != OK) {
			(void)fprintf(stderr, "see the head of fs_kill_test.c\n");
			return 2;
		}
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kills_leave_no_wrong_byte_and_lose_no_space, make, end),
	};
	return cmocka_run_group_tests_name("kill", tests, NULL, NULL);
}
