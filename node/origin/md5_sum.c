#include "node/origin/md5_sum.h"

#include "base/check.h"
#include "base/text.h"

#include <string.h>

void md5_sum_init(struct md5_sum *m)
{
	mbedtls_md5_init(&m->state);
	CHECK(mbedtls_md5_starts_ret(&m->state) == 0);
}

void md5_sum_put(struct md5_sum *m, struct bytes part)
{
	CHECK(mbedtls_md5_update_ret(&m->state, part.p, part.n) == 0);
}

bool md5_sum_is(struct md5_sum *m, const uint8_t sum[MD5_SUM_BYTES])
{
	uint8_t own[MD5_SUM_BYTES];
	CHECK(mbedtls_md5_finish_ret(&m->state, own) == 0);
	return memcmp(own, sum, sizeof(own)) == 0;
}

bool md5_sum_of_etag(const char *etag, uint8_t sum[MD5_SUM_BYTES])
{
	struct bytes text = bytes_str(etag);
	if (text.n != 2 * MD5_SUM_BYTES + 2 || etag[0] != '"' || etag[text.n - 1] != '"')
		return false;
	return text_unhex(sum, bytes_of(etag + 1, 2 * MD5_SUM_BYTES)) == OK;
}
