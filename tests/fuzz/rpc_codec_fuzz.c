/* Any bytes as one envelope: decoding ends well, and what it took for a message can be said again and
 * means the same.
 */
#include "base/check.h"
#include "rpc/codec.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a, scratch;
	struct buf once, twice;
	struct rpc_msg m;
	arena_init(&a, RPC_ARENA_MAX);
	arena_init(&scratch, RPC_ARENA_MAX);
	buf_init(&once, RPC_FRAME_MAX);
	buf_init(&twice, RPC_FRAME_MAX);
	if (rpc_decode(bytes_of(data, n), &a, &m) == OK && m.kind != RPC_UNKNOWN) {
		CHECK(rpc_encode(&m, &scratch, &once) == OK);
		arena_reset(&a);
		struct rpc_msg again;
		CHECK(rpc_decode(buf_bytes(&once), &a, &again) == OK);
		CHECK(again.kind == m.kind && again.acked_bytes == m.acked_bytes);
		arena_reset(&scratch);
		CHECK(rpc_encode(&again, &scratch, &twice) == OK);
		CHECK(bytes_eq(buf_bytes(&once), buf_bytes(&twice)));
	}
	arena_fini(&a);
	arena_fini(&scratch);
	buf_fini(&once);
	buf_fini(&twice);
	return 0;
}
