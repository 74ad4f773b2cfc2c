/* What the tests of rpc/ share: cmocka in its order, ids, and hex. */
#ifndef RPC_TEST_H
#define RPC_TEST_H

#include "base/text.h"
#include "rpc/msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static inline struct node_id test_id(uint8_t fill)
{
	struct node_id id;
	memset(id.b, fill, sizeof(id.b));
	return id;
}

static inline struct rpc_hello test_hello(uint8_t id)
{
	return (struct rpc_hello){
		.cluster = BYTES_LIT("demo"),
		.node = test_id(id),
		.name = BYTES_LIT("delivery-1"),
		.incarnation = { .count = 3, .nonce = 0x1122334455667788u + id },
		.version_min = 1,
		.version_max = 2,
		.features = 5,
		.build = BYTES_LIT("0.1.0"),
		.rpc_address = BYTES_LIT("127.0.0.3:7000"),
	};
}

#define assert_bytes_equal(a, b)              \
	do {                                      \
		struct bytes left_ = (a);             \
		struct bytes right_ = (b);            \
		assert_int_equal(left_.n, right_.n);  \
		assert_true(bytes_eq(left_, right_)); \
	} while (0)

#endif
