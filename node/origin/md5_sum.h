/* MD5 (RFC 1321) of what passes by: what S3 calls an ETag. It finds damage on the way, and guards against
 * nobody. Pure. */
#ifndef NODE_ORIGIN_MD5_SUM_H
#define NODE_ORIGIN_MD5_SUM_H

#include "base/bytes.h"

#include <mbedtls/md5.h>

enum { MD5_SUM_BYTES = 16 };

struct md5_sum {
	mbedtls_md5_context state;
};

void md5_sum_init(struct md5_sum *m);
void md5_sum_put(struct md5_sum *m, struct bytes part);
/* Once, after the last part. */
bool md5_sum_is(struct md5_sum *m, const uint8_t sum[MD5_SUM_BYTES]);
/* Whether an entity tag is an MD5: 32 hex digits in quotes. */
bool md5_sum_of_etag(const char *etag, uint8_t sum[MD5_SUM_BYTES]);

#endif
