#include "bench.h"

#include "base/hash.h"

#include <stdio.h>
#include <string.h>

struct bytes content_name(uint64_t content, char out[NAME_MAX_BYTES])
{
	int n = snprintf(out, NAME_MAX_BYTES, "series-%04u/%016llx/part-%06u", (unsigned)(content % 9973),
	    (unsigned long long)hash_mix(content), (unsigned)(content % 1000000));
	return bytes_of(out, (size_t)n);
}

struct node_id owner_id(unsigned owner)
{
	struct node_id id = { { 0x77 } };
	uint64_t mixed = hash_mix(owner + 1);
	memcpy(id.b + 1, &mixed, sizeof(mixed));
	id.b[14] = (uint8_t)(owner >> 8);
	id.b[15] = (uint8_t)owner;
	return id;
}

/* Whole rounds of all owners, so that each holds as many as every other. */
uint64_t contents_n(const struct options *o)
{
	uint64_t rounds = o->locations / HOLDERS / o->owners;
	return (rounds == 0 ? 1 : rounds) * o->owners;
}

uint64_t locations_each(const struct options *o)
{
	return contents_n(o) / o->owners * HOLDERS;
}

uint64_t content_of(const struct options *o, unsigned owner, uint64_t k)
{
	static const unsigned steps[HOLDERS] = { 0, 13, 29 };
	unsigned residue = (owner + o->owners * 64 - steps[k % HOLDERS]) % o->owners;
	return k / HOLDERS * o->owners + residue;
}

void location_value(
    const struct options *o, unsigned owner, uint64_t content, uint64_t version, struct buf *out)
{
	uint64_t mixed = hash_mix(content * 64 + (o->same_values ? 0 : owner) + version * 7919);
	struct rpc_location l = {
		.bytes = 100000000 + mixed % 4000000000u,
		.objects = (uint32_t)(200 + mixed % 2000),
		.share_permille = o->same_values ? 1000 : (uint32_t)(1 + mixed % 1000),
		.entry = BYTES_LIT("master.m3u8"),
	};
	CHECK(rpc_encode_location(&l, out) == OK);
}

void frames_init(struct frames *f)
{
	memset(f, 0, sizeof(*f));
	buf_init(&f->memory, 1 << 20);
}

void frames_fini(struct frames *f)
{
	buf_fini(&f->memory);
}

void frames_make(struct frames *f, const struct options *o, unsigned owner, uint64_t *version, uint64_t first,
    size_t n, struct prng *p)
{
	size_t key_at[FRAME_ENTRIES], value_at[FRAME_ENTRIES + 1];
	CHECK(n <= FRAME_ENTRIES);
	buf_clear(&f->memory);
	for (size_t i = 0; i < n; i++) {
		char name[NAME_MAX_BYTES];
		uint8_t key[RPC_KEY_MAX];
		size_t key_n = sizeof(key);
		/* Random ones without a repetition, for a frame has a key once. */
		uint64_t each = locations_each(o);
		CHECK(each >= n);
		uint64_t k = p == NULL ? first + i : each / n * i + prng_below(p, each / n);
		uint64_t content = content_of(o, owner, k);
		CHECK(rpc_location_key(ORIGIN, content_name(content, name), key, &key_n) == OK);
		key_at[i] = f->memory.n;
		buf_put(&f->memory, key, key_n);
		value_at[i] = f->memory.n;
		location_value(o, owner, content, p == NULL ? 0 : *version, &f->memory);
		f->entries[i] = (struct rpc_entry){ .version = *version + 1 + i };
		f->entries[i].key.n = key_n;
		f->entries[i].value.n = f->memory.n - value_at[i];
	}
	CHECK(buf_err(&f->memory) == OK);
	for (size_t i = 0; i < n; i++) {
		f->entries[i].key.p = f->memory.p + key_at[i];
		f->entries[i].value.p = f->memory.p + value_at[i];
	}
	f->m = (struct rpc_msg){ .kind = RPC_ROW_FRAME };
	f->m.row_frame = (struct rpc_row_frame){ .owner = owner_id(owner),
		.stream = RPC_LOCATIONS,
		.incarnation = { 1, 1 },
		.from = *version,
		.to = *version + n,
		.horizon = *version + n,
		.entries = f->entries,
		.entries_n = n };
	*version += n;
}
