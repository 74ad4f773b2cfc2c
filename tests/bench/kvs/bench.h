/* What the parts of bench_kvs share: the locations that are stored, clocks, and how figures are said.
 *
 * Each mode is a process of its own, so that its memory is its own too, and says its figures as members of
 * one JSON object on stdout.
 */
#ifndef TESTS_BENCH_KVS_BENCH_H
#define TESTS_BENCH_KVS_BENCH_H

#include "base/check.h"
#include "base/prng.h"
#include "kvs/lmdb_reader.h"
#include "kvs/lmdb_store.h"

#include <pthread.h>
#include <stdatomic.h>

struct options {
	const char *dir;
	uint64_t locations;
	unsigned owners;
	unsigned seconds;    /* of each phase that has no end of its own */
	bool same_values;    /* all holders say the same of a content */
	const char *address; /* of the node that serves */
	const char *listen;  /* of the new one */
};

int fill_main(const struct options *o);
int restart_main(const struct options *o);
int plain_main(const struct options *o);
int serve_main(const struct options *o);
int catchup_main(const struct options *o);

/* -- the workload: contents with three holders each, names of 40 bytes -- */

enum { HOLDERS = 3, NAME_MAX_BYTES = 64, FRAME_ENTRIES = 64 };
#define ORIGIN BYTES_LIT("main")

/* The same names for the same index. Into `out`, which it returns. */
struct bytes content_name(uint64_t content, char out[NAME_MAX_BYTES]);
struct node_id owner_id(unsigned owner);
uint64_t contents_n(const struct options *o);
/* The k-th content that this owner holds; it holds as many as all others. */
uint64_t content_of(const struct options *o, unsigned owner, uint64_t k);
uint64_t locations_each(const struct options *o);

/* Frames of one owner's row, in memory that lasts until the next one. */
struct frames {
	struct rpc_msg m;
	struct rpc_entry entries[FRAME_ENTRIES];
	struct buf memory;
};
void frames_init(struct frames *f);
void frames_fini(struct frames *f);
/* The next `n` entries of the owner's row, which stands at *version: the contents from `first` on, or random
 * ones (p not NULL). */
void frames_make(struct frames *f, const struct options *o, unsigned owner, uint64_t *version, uint64_t first,
    size_t n, struct prng *p);
void location_value(
    const struct options *o, unsigned owner, uint64_t content, uint64_t version, struct buf *out);

/* -- measuring -- */

uint64_t now_ns(void);
/* Bytes of this process that no file backs. */
uint64_t private_bytes(void);
/* In use in an LMDB environment that is not open. */
uint64_t used_bytes(const char *folder);
uint64_t file_bytes(const char *folder, const char *name);
void say_begin(void);
void say(const char *name, double value);
void say_end(void);

struct histogram {
	uint64_t counts[100000]; /* of 10 ns each; the last one of all above */
	uint64_t n, max_ns;
};
void histogram_add(struct histogram *h, uint64_t ns);
void histogram_merge(struct histogram *into, const struct histogram *h);
uint64_t histogram_at(const struct histogram *h, double share);

/* -- readers: threads that look up random contents -- */

struct reading {
	/* A lookup in whatever is measured; returns how many holders it found. */
	void *(*open)(void *ctx);
	size_t (*lookup)(void *reader, struct bytes content, struct arena *a);
	void (*close)(void *reader);
	void *ctx;
	uint64_t contents;
	unsigned threads;
};
struct readers;
struct readers *readers_start(const struct reading *r);
/* Ends them and says NAME_lookups_s, NAME_p50_ns, NAME_p99_ns and NAME_max_us. */
void readers_stop(struct readers *r, const char *name);
/* For `reading` of a store; ctx is the store. */
void *store_reader_open(void *store);
size_t store_reader_lookup(void *reader, struct bytes content, struct arena *a);
void store_reader_close(void *reader);

/* -- one replica: the core, the store thread, and links when it has any -- */

struct host;
struct ev_loop;
struct host_config {
	const char *dir, *name;
	const char *listen; /* NULL: no links */
	const char *seed;   /* whom to dial, or NULL */
};
/* Opens the store, loads what it has and starts the core. */
struct host *host_new(const struct host_config *c);
/* Commits what is there, closes cleanly. */
void host_free(struct host *h);
struct ev_loop *host_loop(struct host *h);
struct kvs *host_core(struct host *h);
struct kvs_store *host_store(struct host *h);
uint64_t host_open_ns(const struct host *h);
uint64_t host_load_ns(const struct host *h);
/* A frame as if a peer had sent it; waits while the store is full. */
void host_take(struct host *h, struct rpc_msg *m);
/* Lets the core, the store and the links work; at most until something happens. */
void host_run(struct host *h, bool wait);
/* Until everything is on disk. */
void host_settle(struct host *h);
uint64_t host_commits(struct host *h);
uint64_t host_bytes_in(struct host *h);
/* Ends nng's threads: once, after the last host. */
void host_exit(void);

#endif
