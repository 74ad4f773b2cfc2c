/* Fills over a cache in a temporary folder, and an origin store that a test can slow, break and count. */
#ifndef TESTS_UNIT_NODE_ORIGIN_FIXTURE_H
#define TESTS_UNIT_NODE_ORIGIN_FIXTURE_H

#include "node/origin/fill.h"
#include "node/origin/source.h"

#include <pthread.h>

/* Serves `length` bytes of byte_at(seed, i) under whatever name, or `text` when it is not NULL. All fields
 * under the lock. */
struct fake {
	struct origin_source source;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum err stat_error, open_error, read_error, check_error;
	uint64_t length;
	unsigned seed;
	const char *text;
	char etag[16];
	uint64_t given;                         /* bytes that may be read so far; reads past it wait */
	uint64_t fails_at;                      /* read_error is told from this byte on */
	unsigned opens, stats, closes, waiting; /* counted; waiting: calls of stat that are held */
	bool hold_stat;
	uint64_t starts[8]; /* of the parts that were asked for, by their number */
	unsigned parts;
};

struct origin_fixture {
	char folder[64];
	struct cache *cache;
	struct config config;
	struct fake fake;
	struct fills *fills;
	struct ev_loop *loop;
	struct mailbox mailbox;
};

/* What the next fixture's fills ask first; NULL: nobody. */
extern struct peers *origin_fixture_peers;

enum { GIVE_ALL = 1 << 30 };

/* `disk_bytes` of cache, `ram_bytes` of memory, negative entries for 100 ms; old units after 50 ms. */
void origin_fixture_make(
    struct origin_fixture *f, uint64_t disk_bytes, uint64_t ram_bytes, uint32_t give_up_ms);
/* With the cache at `disk`, which stays. */
void origin_fixture_make_at(
    struct origin_fixture *f, const char *disk, uint64_t disk_bytes, uint64_t ram_bytes, uint32_t give_up_ms);
void origin_fixture_remove(struct origin_fixture *f);

/* From now on it is asked for parts, which it gives; or, `whole`, all of the object instead. */
void fake_cut(struct fake *f, bool whole);
void fake_set(struct fake *f, void (*change)(struct fake *f, uint64_t v), uint64_t v);
void fake_give(struct fake *f, uint64_t bytes);
unsigned fake_opens(struct fake *f);
/* Whether these are its bytes from `at` on. */
bool fake_wrote(struct fake *f, uint64_t at, const uint8_t *p, size_t n);

/* One asker on the fixture's loop. */
struct asker {
	struct fill_waiter waiter;
	bool answered;
};
void ask(struct origin_fixture *f, struct asker *a, const char *object);
/* As who fetches ahead asks. */
void ask_ahead(struct origin_fixture *f, struct asker *a, const char *object);
void ask_slice(
    struct origin_fixture *f, struct asker *a, const char *object, uint32_t slice, const char *etag);
/* As another node asks. */
void ask_for_peer(struct origin_fixture *f, struct asker *a, const char *object);
/* Runs the loop until it is answered; fails after 20 s. */
void await(struct origin_fixture *f, struct asker *a);
void ask_and_await(struct origin_fixture *f, struct asker *a, const char *object);
/* Gives back what the answer holds. */
void release(struct origin_fixture *f, struct asker *a);

/* Polls until the growing file is no longer open; true when it is whole and has the fake's bytes. */
bool grows_whole(struct fake *f, struct growing *g);
bool unit_is(struct fake *f, const struct cache_unit *u);
struct fills_counters counters(struct origin_fixture *f);
uint64_t wall_ms(void);
void set_wall_ms(uint64_t now);
bool eventually(bool (*is)(void *arg), void *arg);

#endif
