#include "disks.h"

#include "base/check.h"
#include "base/prng.h"
#include "kvs/lmdb_store.h"
#include "node/cache/cache.h"
#include "rpc/entries.h"

#include <inttypes.h>
#include <sodium/randombytes.h>
#include <stdlib.h>
#include <unistd.h>

enum { CONTENTS = 3, CACHE_BYTES = 1 << 30, SECOND_SLICE = 2, LAST_SLICE_BYTES = 5 };

/* -- the same bytes each time -- */

static struct prng numbers;

static void fill(void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)prng_next(&numbers);
}

static const char *fill_name(void)
{
	return "the same each time";
}

static uint32_t fill_u32(void)
{
	return (uint32_t)prng_next(&numbers);
}

static randombytes_implementation same_each_time = {
	.implementation_name = fill_name, .random = fill_u32, .buf = fill
};

static void begin_again(void)
{
	prng_init(&numbers, 1);
	CHECK(randombytes_set_implementation(&same_each_time) == 0);
}

static void put_hex(struct buf *out, struct bytes b)
{
	for (size_t i = 0; i < b.n; i++)
		buf_printf(out, "%02x", b.p[i]);
}

static void put_incarnation(struct buf *out, struct incarnation i)
{
	buf_printf(out, "%" PRIu64 ".%016" PRIx64, i.count, i.nonce);
}

/* -- the replica -- */

static struct kvs_store *open_store(const char *folder, struct kvs_store_identity *id, struct buf *why)
{
	struct kvs_store *s;
	struct kvs_store_report report;
	struct kvs_store_config c = { .data_dir = folder, .random = fill, .boot_id = "boot-1" };
	begin_again();
	enum err e = kvs_store_open(&c, &s, id, &report);
	if (e != OK || report.self_set_aside || report.view_set_aside || report.view_dropped) {
		buf_printf(why, "%s: %s: %s\n", folder, err_str(e), report.detail);
		if (e == OK)
			kvs_store_close(s);
		return NULL;
	}
	return s;
}

static struct kvs_op row_of(const struct kvs_row_meta *m)
{
	return (struct kvs_op){ .kind = KVS_OP_ROW, .row = m, .owner = m->owner, .stream = m->stream };
}

/* Without a value a tombstone. */
static struct kvs_op entry_of(
    const struct kvs_row_meta *m, uint64_t version, struct bytes key, struct bytes value)
{
	return (struct kvs_op){ .kind = KVS_OP_ENTRY,
		.owner = m->owner,
		.stream = m->stream,
		.entry = { .version = version, .key = key, .value = value, .deleted = value.n == 0 } };
}

static void apply(struct kvs_store *s, const struct kvs_op *ops, size_t n)
{
	CHECK(kvs_store_begin(s) == OK);
	CHECK(kvs_store_apply(s, ops, n) == OK);
	CHECK(kvs_store_commit(s) == OK);
}

static struct bytes register_of(unsigned i, struct buf *out)
{
	char name[] = "node-0";
	name[sizeof(name) - 2] = (char)('0' + i);
	struct rpc_register r = { .name = bytes_str(name),
		.roles = RPC_ROLE_DELIVERY,
		.state = NODE_LEFT,
		.rpc_address = BYTES_LIT("127.0.0.1:1"),
		.build = BYTES_LIT("any"),
		.version_min = 1,
		.version_max = 1 };
	CHECK(rpc_encode_register(&r, out) == OK);
	return buf_bytes(out);
}

/* What holders say of one content differs in some bytes, or in none. */
static struct bytes location_of(unsigned i, struct buf *out)
{
	struct rpc_location l = { 1000000, i % 3 == 0 ? 7 : 300, 500, BYTES_LIT("master.m3u8"), 4500 };
	CHECK(rpc_encode_location(&l, out) == OK);
	return buf_bytes(out);
}

/* An owner's two rows. Four owners share the keys of contents, of which the view makes bundles. */
static void write_owner(struct kvs_store *s, unsigned i, struct node_id owner, struct incarnation run)
{
	static const struct bytes none = BYTES_NONE;
	struct kvs_row_meta control = { .owner = owner,
		.stream = RPC_CONTROL,
		.incarnation = run,
		.ancestors = { { { 0, 5 }, 1 }, { { 0, 4 }, UINT64_MAX } },
		.ancestors_n = 2,
		.have = 9,
		.horizon = 9,
		.floor = 3,
		.base = 2 };
	struct kvs_row_meta locations = control;
	struct buf values[1 + CONTENTS];
	uint8_t keys[CONTENTS][RPC_KEY_MAX];
	locations.stream = RPC_LOCATIONS;
	for (size_t n = 0; n < 1 + CONTENTS; n++)
		buf_init(&values[n], RPC_VALUE_MAX);
	struct kvs_op ops[6 + CONTENTS] = { row_of(&control),
		entry_of(&control, 4, RPC_KEY_REGISTER, register_of(i, &values[CONTENTS])),
		entry_of(&control, 5, BYTES_LIT("x\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17"), none),
		entry_of(&control, 9, BYTES_LIT("\1\377\0new"), BYTES_LIT("of a class to come")), row_of(&locations),
		entry_of(&locations, 8, BYTES_LIT("t1"), none) };
	for (unsigned c = 0; c < CONTENTS; c++) {
		size_t key_n = sizeof(keys[c]);
		char content[] = "vod/lv0";
		content[sizeof(content) - 2] = (char)('0' + c);
		CHECK(rpc_location_key(BYTES_LIT("main"), bytes_str(content), keys[c], &key_n) == OK);
		ops[6 + c] = entry_of(&locations, 4 + c, bytes_of(keys[c], key_n), location_of(i + c, &values[c]));
	}
	apply(s, ops, sizeof(ops) / sizeof(ops[0]));
	for (size_t n = 0; n < 1 + CONTENTS; n++)
		buf_fini(&values[n]);
}

void replica_write(const char *folder)
{
	struct kvs_store_identity id;
	struct buf why;
	buf_init(&why, 1 << 16);
	struct kvs_store *s = open_store(folder, &id, &why);
	CHECK(s != NULL);
	write_owner(s, 0, id.self, id.incarnation);
	for (uint8_t i = 1; i <= 3; i++)
		write_owner(
		    s, i, (struct node_id){ { i, [15] = 0xee } }, (struct incarnation){ 7, 0x0102030405060708u });
	kvs_store_close(s);
	buf_fini(&why);
}

static void put_row(void *arg, const struct kvs_row_meta *m)
{
	struct buf *out = arg;
	buf_put_str(out, "row ");
	put_hex(out, bytes_of(m->owner.b, NODE_ID_BYTES));
	buf_printf(out, " stream=%d incarnation=", (int)m->stream);
	put_incarnation(out, m->incarnation);
	for (size_t i = 0; i < m->ancestors_n; i++) {
		buf_put_str(out, " ancestor=");
		put_incarnation(out, m->ancestors[i].incarnation);
		buf_printf(out, ":%" PRIu64, m->ancestors[i].version);
	}
	buf_printf(out, " have=%" PRIu64 " horizon=%" PRIu64 " floor=%" PRIu64 " base=%" PRIu64 "\n", m->have,
	    m->horizon, m->floor, m->base);
}

static void put_entry(void *arg, const struct rpc_entry *e)
{
	struct buf *out = arg;
	buf_printf(out, "entry version=%" PRIu64 " key=", e->version);
	put_hex(out, e->key);
	buf_put_str(out, " value=");
	put_hex(out, e->value);
	buf_put_str(out, e->deleted ? " deleted\n" : "\n");
}

enum err replica_text(const char *folder, struct buf *out)
{
	struct kvs_store_identity id;
	struct kvs_store *s = open_store(folder, &id, out);
	if (s == NULL)
		return ERR_CORRUPT;
	struct kvs_config c = { .self = id.self,
		.incarnation = id.incarnation,
		.inherits = id.inherits,
		.reg = { .name = BYTES_LIT("n"), .rpc_address = BYTES_LIT("127.0.0.1:7000"), .state = NODE_JOINING },
		.seed = 1 };
	struct kvs *k = kvs_new(&c);
	enum err e = kvs_store_load(s, k);
	buf_put_str(out, "self ");
	put_hex(out, bytes_of(id.self.b, NODE_ID_BYTES));
	buf_put_str(out, " inherits=");
	put_incarnation(out, id.inherits);
	buf_put_u8(out, '\n');
	for (size_t i = 0; i < kvs_rows_n(k); i++) {
		struct kvs_row row;
		if (!kvs_row_at(k, i, &row))
			continue;
		put_row(out, &row.meta);
		kvs_each_entry_after(k, &row.meta.owner, row.meta.stream, 0, put_entry, out);
	}
	kvs_free(k);
	kvs_store_close(s);
	return e;
}

/* -- a cache disk -- */

static struct cache *open_cache(const char *folder, struct buf *why)
{
	struct cache *c;
	struct cache_disk_report report;
	struct cache_disk_config disk = { folder, CACHE_BYTES };
	struct cache_config config = { .disks = &disk, .disks_n = 1, .boot_id = "boot-1" };
	enum err e = cache_open(&config, &c, &report);
	if (e != OK || report.dropped > 0 || report.rebuilt) {
		buf_printf(
		    why, "%s: %s: %" PRIu64 " dropped: %s\n", folder, err_str(e), report.dropped, report.detail);
		if (e == OK)
			cache_close(c);
		return NULL;
	}
	return c;
}

/* Objects that the disk has, and one slice of one that is larger. */
static const struct {
	struct cache_key key;
	uint64_t length, total;
} units[] = {
	{ { BYTES_LIT("main"), BYTES_LIT("vod/lv1/master.m3u8"), 0 }, 24, 0 },
	{ { BYTES_LIT("main"), BYTES_LIT("vod/lv1/v/seg-1.m4s"), 0 }, 300, 0 },
	{ { BYTES_LIT("main"), BYTES_LIT("vod/lv1/v/seg-2.m4s"), 0 }, 0, 0 },
	{ { BYTES_LIT("spare"), BYTES_LIT("vod/lv2/film.mp4"), SECOND_SLICE }, LAST_SLICE_BYTES,
	    (UINT64_C(8) << 20) + LAST_SLICE_BYTES },
};
enum { UNITS = sizeof(units) / sizeof(units[0]) };

static void write_unit(struct cache *c, size_t i)
{
	struct cache_meta m = { .content = bytes_head(units[i].key.object, sizeof("vod/lv1") - 1),
		.length = units[i].length,
		.total = units[i].total,
		.etag = "\"validator\"",
		.modified_s = 1600000000 + (int64_t)i,
		.answered_wall_ms = 1700000000000u + i,
		.ttl_ms = i == 0 ? 2000 : UINT64_MAX,
		.mark = cache_mark(c) };
	struct cache_writer *w;
	CHECK(cache_write_begin(c, &units[i].key, &m, &w) == OK);
	for (uint64_t at = 0; at < m.length; at++)
		CHECK(cache_write(w, bytes_of(&(uint8_t){ (uint8_t)(at + i + 0x80) }, 1)) == OK);
	CHECK(cache_write_commit(w) == OK);
}

void cache_write_disk(const char *folder)
{
	struct buf why;
	buf_init(&why, 1 << 16);
	begin_again();
	struct cache *c = open_cache(folder, &why);
	CHECK(c != NULL);
	for (size_t i = 0; i < UNITS; i++)
		write_unit(c, i);
	struct purges_row rows[] = { { { { 1, [15] = 0xee } }, { 7, 0x0102030405060708u }, 300, true },
		{ { { 2, [15] = 0xee } }, { 1, 1 }, 1, true } };
	struct cache_purge_ids ids = { .ids = { { { 1, [15] = 9 } }, { { 2 } } }, .n = 2 };
	CHECK(cache_purges_store(c, rows, 2, &ids) == OK);
	cache_close(c);
	buf_fini(&why);
}

static void put_unit(struct cache *c, size_t i, struct buf *out)
{
	struct cache_unit *u = cache_look(c, &units[i].key);
	buf_printf(out, "unit %.*s slice=%u", (int)units[i].key.object.n, (const char *)units[i].key.object.p,
	    units[i].key.slice);
	if (u == NULL) {
		buf_put_str(out, " is not there\n");
		return;
	}
	const struct cache_meta *m = u->meta;
	buf_printf(out,
	    " content=%.*s length=%" PRIu64 " total=%" PRIu64 " etag=%s modified=%" PRId64 " answered=%" PRIu64
	    " ttl=%" PRIu64 " bytes=",
	    (int)m->content.n, (const char *)m->content.p, m->length, m->total, m->etag, m->modified_s,
	    m->answered_wall_ms, m->ttl_ms);
	uint8_t bytes[512];
	ssize_t n = pread(u->fd, bytes, sizeof(bytes), 0);
	put_hex(out, bytes_of(bytes, n < 0 ? 0 : (size_t)n));
	buf_put_u8(out, '\n');
	cache_release(c, u);
}

enum err cache_text(const char *folder, struct buf *out)
{
	begin_again();
	struct cache *c = open_cache(folder, out);
	if (c == NULL)
		return ERR_CORRUPT;
	for (size_t i = 0; i < UNITS; i++)
		put_unit(c, i, out);
	struct purges purges;
	struct cache_purge_ids ids;
	purges_init(&purges);
	cache_purges_load(c, &purges, &ids);
	for (size_t i = 0; i < purges.n; i++) {
		buf_put_str(out, "purges of ");
		put_hex(out, bytes_of(purges.rows[i].owner.b, NODE_ID_BYTES));
		buf_put_str(out, " incarnation=");
		put_incarnation(out, purges.rows[i].incarnation);
		buf_printf(out, " version=%" PRIu64 "\n", purges.rows[i].version);
	}
	for (size_t i = 0; i < ids.n; i++) {
		buf_put_str(out, "purge ");
		put_hex(out, bytes_of(ids.ids[i].b, CACHE_PURGE_ID_BYTES));
		buf_put_u8(out, '\n');
	}
	purges_fini(&purges);
	cache_close(c);
	return OK;
}
