/* Any bytes as the key or value of an entry; the first byte says of which kind. What was taken for one
 * can be written again and reads the same.
 */
#include "base/check.h"
#include "rpc/entries.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static enum err recode(uint8_t kind, struct bytes in, struct arena *a, struct buf *out)
{
	struct rpc_register r;
	struct rpc_load l;
	struct rpc_location o;
	struct rpc_probe t;
	struct rpc_command x;
	struct rpc_applied p;
	uint64_t forgotten, not_after_s;
	switch (kind) {
	case 'r':
		if (rpc_decode_register(in, a, &r) != OK)
			return ERR_INVALID;
		CHECK(rpc_encode_register(&r, out) == OK);
		return OK;
	case 'l':
		if (rpc_decode_load(in, a, &l) != OK)
			return ERR_INVALID;
		CHECK(rpc_encode_load(&l, out) == OK);
		return OK;
	case 'o':
		if (rpc_decode_location(in, a, &o) != OK)
			return ERR_INVALID;
		CHECK(rpc_encode_location(&o, out) == OK);
		return OK;
	case 't':
		if (rpc_decode_probe(in, a, &t) != OK)
			return ERR_INVALID;
		CHECK(rpc_encode_probe(&t, out) == OK);
		return OK;
	case 'x':
		if (rpc_decode_command(in, a, &x) != OK)
			return ERR_INVALID;
		CHECK(rpc_encode_command(&x, out) == OK);
		return OK;
	case 'a':
		if (rpc_decode_applied(in, a, &p) != OK)
			return ERR_INVALID;
		CHECK(rpc_encode_applied(&p, out) == OK);
		return OK;
	case 'f':
		if (rpc_decode_forgotten(in, a, &forgotten) != OK)
			return ERR_INVALID;
		CHECK(rpc_encode_forgotten(forgotten, out) == OK);
		return OK;
	case 'v':
		if (rpc_decode_revocation(in, a, &not_after_s) != OK)
			return ERR_INVALID;
		CHECK(rpc_encode_revocation(not_after_s, out) == OK);
		return OK;
	default: return ERR_INVALID;
	}
}

static void split_key(struct bytes key)
{
	uint8_t probe[RPC_PROBE_KEY_MAX];
	uint32_t slot;
	if (rpc_probe_key_slot(key, &slot) == OK)
		CHECK(bytes_eq(key, bytes_of(probe, rpc_probe_key(slot, probe))));
	struct bytes origin, content;
	uint8_t again[RPC_KEY_MAX];
	size_t n;
	if (rpc_location_key_split(key, &origin, &content) != OK)
		return;
	CHECK(rpc_location_key(origin, content, again, &n) == OK);
	CHECK(bytes_eq(key, bytes_of(again, n)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n == 0)
		return 0;
	struct arena a;
	struct buf once, twice;
	arena_init(&a, RPC_ARENA_MAX);
	buf_init(&once, RPC_VALUE_MAX);
	buf_init(&twice, RPC_VALUE_MAX);
	struct bytes rest = bytes_of(data + 1, n - 1);
	if (data[0] == 'k')
		split_key(rest);
	if (recode(data[0], rest, &a, &once) == OK) {
		CHECK(recode(data[0], buf_bytes(&once), &a, &twice) == OK);
		CHECK(bytes_eq(buf_bytes(&once), buf_bytes(&twice)));
	}
	arena_fini(&a);
	buf_fini(&once);
	buf_fini(&twice);
	return 0;
}
