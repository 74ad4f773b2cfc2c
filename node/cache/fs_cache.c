#include "node/cache/fs_cache.h"

#include "base/hash.h"
#include "base/obj.h"

#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { OPEN_MAX_ALL = 4096, BLOCK_BYTES = 4096 };

#define PIN_MAGIC 0x70696e20u

/* One reader's hold on a unit. The meta is a copy: a revalidation changes the unit's own meanwhile. */
struct pin {
	unsigned magic;
	struct cache_unit public;
	struct cache_meta meta;
	struct unit *unit;
	uint64_t changes; /* of its shard, when it was taken */
};

uint64_t cache_now_mono_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t cache_charge_of(uint64_t length_bytes)
{
	return (length_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

/* -- opening and closing -- */

static unsigned open_max_of_shard(void)
{
	struct rlimit l;
	rlim_t max = OPEN_MAX_ALL;
	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur != RLIM_INFINITY && l.rlim_cur / 4 < max)
		max = l.rlim_cur / 4;
	return max / CACHE_SHARDS > 0 ? (unsigned)(max / CACHE_SHARDS) : 1;
}

static struct cache *make(void)
{
	struct cache *c = OBJ_NEW(struct cache, CACHE_MAGIC);
	unsigned open_max = open_max_of_shard();
	for (unsigned i = 0; i < CACHE_SHARDS; i++) {
		CHECK(pthread_mutex_init(&c->shards[i].lock, NULL) == 0);
		units_init(&c->shards[i].units);
		TAILQ_INIT(&c->shards[i].idle);
		c->shards[i].open_max = open_max;
	}
	CHECK(pthread_mutex_init(&c->contents_lock, NULL) == 0);
	contents_init(&c->contents);
	return c;
}

static void init_disk(struct cache *c, unsigned number, const struct cache_disk_config *config)
{
	struct cache_disk *d = &c->disks[number];
	pthread_condattr_t attributes;
	d->cache = c;
	d->number = number;
	d->path = strdup(config->path);
	CHECK(d->path != NULL);
	d->size_bytes = config->size_bytes;
	d->limit_bytes = config->size_bytes;
	CHECK(pthread_mutex_init(&d->lock, NULL) == 0);
	CHECK(pthread_mutex_init(&d->index_lock, NULL) == 0);
	CHECK(pthread_condattr_init(&attributes) == 0);
	CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&d->wake, &attributes) == 0);
	CHECK(pthread_condattr_destroy(&attributes) == 0);
	policy_init(&d->policy);
	d->ops_end = &d->ops;
}

static void free_unit(struct cache *c, struct shard *s, struct unit *u)
{
	units_take(&s->units, u);
	(void)contents_remove(&c->contents, u, cache_now_mono_ms());
	policy_remove(&c->disks[u->disk].policy, &u->policy);
	if (u->fd >= 0)
		(void)close(u->fd);
	u->fd = -1;
	u->idle = false;
	unit_free(u);
}

static void free_disk(struct cache_disk *d)
{
	policy_fini(&d->policy);
	CHECK(pthread_cond_destroy(&d->wake) == 0);
	CHECK(pthread_mutex_destroy(&d->lock) == 0);
	CHECK(pthread_mutex_destroy(&d->index_lock) == 0);
	free(d->path);
}

void cache_close(struct cache *c)
{
	if (c == NULL)
		return;
	OBJ_CHECK(c, CACHE_MAGIC);
	CHECK(atomic_load(&c->pinned) == 0);
	for (size_t i = 0; i < c->disks_n; i++)
		if (c->disks[i].serves)
			cache_upkeep_stop(&c->disks[i]);
	for (unsigned i = 0; i < CACHE_SHARDS; i++) {
		struct shard *s = &c->shards[i];
		struct unit *u;
		while ((u = units_any(&s->units)) != NULL)
			free_unit(c, s, u);
		units_fini(&s->units);
		CHECK(pthread_mutex_destroy(&s->lock) == 0);
	}
	for (size_t i = 0; i < c->disks_n; i++)
		free_disk(&c->disks[i]);
	contents_fini(&c->contents);
	cache_purge_fini(c);
	CHECK(pthread_mutex_destroy(&c->contents_lock) == 0);
	OBJ_FREE(c);
}

enum err cache_open(const struct cache_config *config, struct cache **out, struct cache_disk_report *reports)
{
	if (config->disks_n == 0 || config->disks_n > CACHE_DISKS_MAX)
		return ERR_INVALID;
	struct cache *c = make();
	cache_purge_init(c, config->unproven);
	enum err last = OK;
	size_t serving = 0;
	for (; c->disks_n < config->disks_n; c->disks_n++) {
		struct cache_disk *d = &c->disks[c->disks_n];
		struct cache_disk_report *r = &reports[c->disks_n];
		init_disk(c, (unsigned)c->disks_n, &config->disks[c->disks_n]);
		*r = (struct cache_disk_report){ .path = config->disks[c->disks_n].path };
		r->state = cache_disk_load(d, config->boot_id, r);
		d->files.open_now = config->open_now != NULL ? config->open_now : fs_disk_open_now;
		d->serves = r->state == OK;
		serving += d->serves;
		if (r->state != OK && last != ERR_BUSY)
			last = r->state;
	}
	/* A disk that another process uses is a mistake of the operator's, not a disk that failed. */
	bool busy = last == ERR_BUSY;
	for (size_t i = 0; i < c->disks_n; i++)
		if (c->disks[i].serves)
			cache_upkeep_start(&c->disks[i]);
	if (serving == 0 || busy) {
		cache_close(c);
		return last;
	}
	*out = c;
	return OK;
}

/* -- the table -- */

void cache_disk_rest(struct cache_disk *d)
{
	cache_lock(&d->lock);
	d->rest_until_ms = cache_now_mono_ms() + REST_AFTER_ERROR_MS;
	CHECK(pthread_cond_signal(&d->wake) == 0);
	cache_unlock(&d->lock);
}

/* The last pin of a unit out of the table is gone. */
static void destroy(struct cache *c, struct unit *u)
{
	struct cache_disk *d = &c->disks[u->disk];
	if (u->fd >= 0)
		(void)close(u->fd);
	u->fd = -1;
	fs_disk_unlink(&d->files, &u->record.file);
	cache_lock(&d->lock);
	CHECK(d->charged_bytes >= u->charge_bytes);
	d->charged_bytes -= u->charge_bytes;
	cache_unlock(&d->lock);
	unit_free(u);
}

/* Under the shard's lock. True: the unit is nobody's any more, destroy it after the lock. `moved`: a unit of
 * the same key takes its place on the same disk, whose entry overwrites this one's. */
static bool take_out(struct cache *c, struct shard *s, struct unit *u, bool moved, unsigned *changes)
{
	struct cache_disk *d = &c->disks[u->disk];
	units_take(&s->units, u);
	shard_changed(s);
	cache_lock(&d->lock);
	policy_remove(&d->policy, &u->policy);
	if (!moved)
		cache_index_later(d, &u->id, NULL);
	cache_unlock(&d->lock);
	cache_lock(&c->contents_lock);
	*changes |= contents_remove(&c->contents, u, cache_now_mono_ms());
	cache_unlock(&c->contents_lock);
	if (u->idle) {
		TAILQ_REMOVE(&s->idle, u, idle_link);
		u->idle = false;
	}
	if (u->fd >= 0)
		s->open_n--;
	return u->pins == 0;
}

bool cache_insert(struct cache *c, struct unit *u)
{
	struct shard *s = cache_shard(c, &u->id);
	struct cache_disk *d = &c->disks[u->disk];
	unsigned changes = 0;
	bool over = false;
	cache_lock(&s->lock);
	if (cache_barred(c, u)) {
		cache_unlock(&s->lock);
		destroy(c, u);
		return false;
	}
	struct unit *old = units_at(&s->units, &u->id);
	if (old != NULL)
		over = take_out(c, s, old, old->disk == u->disk, &changes);
	units_put(&s->units, u);
	shard_changed(s);
	cache_lock(&d->lock);
	policy_add(&d->policy, &u->policy, unit_key64(u), u->charge_bytes, cache_now_s());
	u->record.sequence = ++d->sequence;
	cache_index_later(d, &u->id, &u->record);
	cache_unlock(&d->lock);
	cache_lock(&c->contents_lock);
	changes |= contents_add(&c->contents, u, cache_now_mono_ms());
	cache_unlock(&c->contents_lock);
	cache_unlock(&s->lock);
	if (over)
		destroy(c, old);
	cache_contents_changed(c, changes);
	return true;
}

bool cache_insert_loaded(struct cache *c, struct unit *u)
{
	struct shard *s = cache_shard(c, &u->id);
	unsigned changes = 0; /* nobody can be told yet */
	bool over = false;
	cache_lock(&s->lock);
	struct unit *old = units_at(&s->units, &u->id);
	/* A damaged index may name a unit twice: the first stays. */
	bool is_newer =
	    old == NULL || (old->disk != u->disk && old->record.answered_wall_ms <= u->record.answered_wall_ms);
	if (is_newer) {
		if (old != NULL)
			over = take_out(c, s, old, false, &changes);
		units_put(&s->units, u);
		cache_lock(&c->contents_lock);
		changes |= contents_add(&c->contents, u, cache_now_mono_ms());
		cache_unlock(&c->contents_lock);
	}
	cache_unlock(&s->lock);
	if (over)
		destroy(c, old);
	(void)changes;
	return is_newer;
}

bool cache_drop(struct cache *c, const struct unit_id *id, const struct file_id *file)
{
	struct shard *s = cache_shard(c, id);
	unsigned changes = 0;
	bool over = false;
	cache_lock(&s->lock);
	struct unit *u = units_at(&s->units, id);
	bool there = u != NULL && (file == NULL || memcmp(u->record.file.b, file->b, sizeof(file->b)) == 0);
	if (there)
		over = take_out(c, s, u, false, &changes);
	cache_unlock(&s->lock);
	if (over)
		destroy(c, u);
	cache_contents_changed(c, changes);
	return there;
}

/* -- reading -- */

/* Under the shard's lock. */
static void pin_it(struct shard *s, struct unit *u)
{
	u->pins++;
	if (u->idle) {
		TAILQ_REMOVE(&s->idle, u, idle_link);
		u->idle = false;
	}
}

/* Gives a pin back; closes descriptors that nobody uses while the shard has too many. */
static void unpin(struct cache *c, struct unit *u)
{
	struct shard *s = cache_shard(c, &u->id);
	int surplus = -1;
	cache_lock(&s->lock);
	CHECK(u->pins > 0);
	bool last = --u->pins == 0;
	bool over = last && !u->held;
	if (last && u->held && u->fd >= 0) {
		TAILQ_INSERT_TAIL(&s->idle, u, idle_link);
		u->idle = true;
	}
	struct unit *oldest = TAILQ_FIRST(&s->idle);
	if (s->open_n > s->open_max && oldest != NULL) {
		TAILQ_REMOVE(&s->idle, oldest, idle_link);
		oldest->idle = false;
		surplus = oldest->fd;
		oldest->fd = -1;
		s->open_n--;
	}
	cache_unlock(&s->lock);
	if (surplus >= 0)
		(void)close(surplus);
	if (over)
		destroy(c, u);
}

/* Opens the file of a pinned unit. A file that is missing or of another length is never served: its unit
 * goes. */
static enum err open_pinned(struct cache *c, struct unit *u, bool now)
{
	struct shard *s = cache_shard(c, &u->id);
	struct fs_disk *files = &c->disks[u->disk].files;
	int fd;
	enum err e = now ? fs_disk_read_now(files, &u->record.file, u->record.length, &fd)
	                 : fs_disk_read(files, &u->record.file, u->record.length, &fd);
	if (e == ERR_NOT_FOUND || e == ERR_CORRUPT || e == ERR_INVALID)
		(void)cache_drop(c, &u->id, &u->record.file);
	if (e != OK)
		return e;
	cache_lock(&s->lock);
	if (u->fd < 0) {
		u->fd = fd;
		fd = -1;
		if (u->held)
			s->open_n++;
	}
	cache_unlock(&s->lock);
	if (fd >= 0)
		(void)close(fd); /* another reader was faster */
	return OK;
}

static uint64_t file_number(const struct file_id *id)
{
	uint64_t high, low;
	memcpy(&high, id->b, sizeof(high));
	memcpy(&low, id->b + FILE_ID_BYTES - sizeof(low), sizeof(low));
	uint64_t mixed = hash_mix(high) ^ low;
	return mixed != 0 ? mixed : 1;
}

static struct cache_unit *hand_out(
    struct cache *c, struct unit *u, int fd, const struct cache_meta *meta, uint64_t changes)
{
	struct pin *p = OBJ_NEW(struct pin, PIN_MAGIC);
	p->unit = u;
	p->changes = changes;
	p->meta = *meta;
	p->public = (struct cache_unit){ .fd = fd, .file = file_number(&u->record.file), .meta = &p->meta };
	atomic_fetch_add_explicit(&c->pinned, 1, memory_order_relaxed);
	return &p->public;
}

/* disk NULL: may wait for one. */
static struct cache_unit *look(struct cache *c, const struct cache_key *k, int *disk)
{
	OBJ_CHECK(c, CACHE_MAGIC);
	struct unit *u = NULL;
	struct unit_id id;
	struct cache_meta meta;
	uint64_t changes = 0;
	int fd = -1;
	if (record_key_fits(k)) {
		record_unit_id(k, &id);
		struct shard *s = cache_shard(c, &id);
		cache_lock(&s->lock);
		u = units_find(&s->units, &id, k);
		changes = atomic_load_explicit(&s->changes, memory_order_relaxed);
		if (u != NULL) {
			pin_it(s, u);
			fd = u->fd;
			unit_meta(u, &meta);
			meta.unproven = u->proof < atomic_load(&c->proven_from);
		}
		cache_unlock(&s->lock);
	}
	if (u != NULL && fd < 0) {
		enum err e = open_pinned(c, u, disk != NULL);
		if (e != OK) {
			if (disk != NULL && e == ERR_BUSY)
				*disk = (int)u->disk;
			unpin(c, u);
			u = NULL;
		} else {
			fd = u->fd; /* fixed while it is pinned */
		}
	}
	return u != NULL ? hand_out(c, u, fd, &meta, changes) : NULL;
}

struct cache_unit *cache_look(struct cache *c, const struct cache_key *k)
{
	return look(c, k, NULL);
}

static struct pin *pin_of(const struct cache_unit *u)
{
	struct pin *p = CONTAINER_OF(u, struct pin, public);
	OBJ_CHECK(p, PIN_MAGIC);
	return p;
}

/* Of a slice: the object, where that is one unit. */
static struct cache_unit *look_whole_first(struct cache *c, const struct cache_key *k, int *disk)
{
	const struct cache_key whole = { .origin = k->origin, .object = k->object };
	struct cache_unit *unit = k->slice != 0 ? look(c, &whole, disk) : NULL;
	return unit != NULL || (disk != NULL && *disk >= 0) ? unit : look(c, k, disk);
}

static struct cache_unit *count_use(struct cache *c, struct cache_unit *unit)
{
	atomic_fetch_add_explicit(unit != NULL ? &c->hits : &c->misses, 1, memory_order_relaxed);
	if (unit != NULL)
		policy_used(&pin_of(unit)->unit->policy);
	return unit;
}

struct cache_unit *cache_get(struct cache *c, const struct cache_key *k)
{
	return count_use(c, look_whole_first(c, k, NULL));
}

struct cache_unit *cache_get_now(struct cache *c, const struct cache_key *k, int *disk)
{
	*disk = -1;
	struct cache_unit *unit = look_whole_first(c, k, disk);
	return *disk >= 0 ? NULL : count_use(c, unit);
}

struct cache_unit *cache_pin(struct cache *c, const struct cache_unit *unit)
{
	struct pin *p = pin_of(unit);
	struct shard *s = cache_shard(c, &p->unit->id);
	cache_lock(&s->lock);
	CHECK(p->unit->pins > 0);
	p->unit->pins++;
	cache_unlock(&s->lock);
	return hand_out(c, p->unit, p->public.fd, &p->meta, p->changes);
}

struct cache_watch cache_watch(const struct cache *c, const struct cache_unit *unit)
{
	_Static_assert(CACHE_FILE_BYTES == sizeof(((struct file_id *)0)->b), "as it is said outside");
	const struct pin *p = pin_of(unit);
	struct cache_watch w = { &c->shards[p->unit->id.b[0] % CACHE_SHARDS].changes, p->changes, { 0 } };
	memcpy(w.file, p->unit->record.file.b, sizeof(w.file));
	return w;
}

void cache_release(struct cache *c, struct cache_unit *unit)
{
	if (unit == NULL)
		return;
	struct pin *p = pin_of(unit);
	struct unit *u = p->unit;
	OBJ_FREE(p);
	unpin(c, u);
	CHECK(atomic_fetch_sub_explicit(&c->pinned, 1, memory_order_relaxed) > 0);
}

/* -- changing -- */

void cache_refresh(struct cache *c, const struct cache_key *k, const char *etag, uint64_t answered_wall_ms,
    struct cache_mark mark)
{
	struct unit_id id;
	if (!record_key_fits(k))
		return;
	record_unit_id(k, &id);
	struct shard *s = cache_shard(c, &id);
	cache_lock(&s->lock);
	struct unit *u = units_find(&s->units, &id, k);
	/* Only in memory: after a restart it is asked for once more. */
	if (u != NULL && bytes_eq(u->record.etag, bytes_str(etag))) {
		if (answered_wall_ms > u->record.answered_wall_ms)
			u->record.answered_wall_ms = answered_wall_ms;
		if (mark.doubts > u->proof)
			u->proof = mark.doubts;
		shard_changed(s);
	}
	cache_unlock(&s->lock);
}

void cache_remove(struct cache *c, const struct cache_key *k)
{
	struct unit_id id;
	if (!record_key_fits(k))
		return;
	record_unit_id(k, &id);
	(void)cache_drop(c, &id, NULL);
}

static void remove_other(struct cache *c, const struct cache_key *k, const char *etag)
{
	struct unit_id id;
	record_unit_id(k, &id);
	struct shard *s = cache_shard(c, &id);
	struct file_id file = { { 0 } };
	cache_lock(&s->lock);
	struct unit *u = units_find(&s->units, &id, k);
	bool other = u != NULL && !bytes_eq(u->record.etag, bytes_str(etag));
	if (other)
		file = u->record.file;
	cache_unlock(&s->lock);
	if (other)
		(void)cache_drop(c, &id, &file);
}

void cache_remove_others(struct cache *c, const struct cache_key *k, uint64_t total, const char *etag)
{
	struct cache_key each = { .origin = k->origin, .object = k->object };
	if (!record_key_fits(k) || total > SLICED_BYTES_MAX)
		return;
	remove_other(c, &each, etag);
	while (slice_start(++each.slice) < total)
		remove_other(c, &each, etag);
}

/* -- counting -- */

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

void cache_count(const struct cache *cc, struct cache_counters *out)
{
	struct cache *c = OBJ_CAST(struct cache, CACHE_MAGIC, (void *)(uintptr_t)cc);
	struct cache_counters n = { .hits = atomic_load(&c->hits),
		.misses = atomic_load(&c->misses),
		.stored = atomic_load(&c->stored),
		.evicted = atomic_load(&c->evicted),
		.write_failures = atomic_load(&c->write_failures),
		.evict_age_s = UINT32_MAX };
	cache_lock(&c->contents_lock);
	n.units = c->contents.units;
	n.bytes = c->contents.bytes;
	cache_unlock(&c->contents_lock);
	uint64_t now = cache_now_mono_ms();
	for (size_t i = 0; i < c->disks_n; i++) {
		struct cache_disk *d = &c->disks[i];
		cache_lock(&d->lock);
		n.size_bytes += d->serves ? d->size_bytes : 0;
		n.disks_down += !d->serves || disk_resting(d, now);
		if (d->serves && policy_evicts(d->charged_bytes, d->limit_bytes))
			n.evict_age_s = least(n.evict_age_s, policy_evict_age_s(&d->policy, cache_now_s()));
		cache_unlock(&d->lock);
	}
	*out = n;
}
