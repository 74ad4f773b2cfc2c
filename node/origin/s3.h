/* What is S3's own: the file of its keys, its URLs, and what its error codes mean. Pure.
 *
 * The file has lines `access_key_id: ...`, `secret_access_key: ...` and, for temporary credentials,
 * `session_token: ...`. Blank lines and lines that begin with # are skipped.
 */
#ifndef NODE_ORIGIN_S3_H
#define NODE_ORIGIN_S3_H

#include "base/bytes.h"

enum { S3_KEY_ID_MAX = 256, S3_SECRET_MAX = 256, S3_TOKEN_MAX = 4096, S3_CODE_MAX = 64 };

struct s3_keys {
	char id[S3_KEY_ID_MAX + 1];
	char secret[S3_SECRET_MAX + 1];
	char token[S3_TOKEN_MAX + 1]; /* "" = none */
};

/* ERR_INVALID: *bad_line counts from 1; 0: a key is missing. *out is untouched then. Who gets keys wipes
 * them. */
MUST_USE enum err s3_keys_parse(struct bytes text, struct s3_keys *out, size_t *bad_line);

/* The template (object_url.h) of a bucket's objects: ENDPOINT/BUCKET/{object}, or with the bucket before the
 * endpoint's host. */
void s3_put_template(struct buf *out, const char *endpoint, const char *bucket, bool path_style);

/* The text of <Code> in an error's body; "" when there is none. */
void s3_code(struct bytes body, char out[S3_CODE_MAX]);
/* Whether the code speaks of credentials, clock, region or bucket, which no object is to blame for. */
bool s3_code_is_of_store(const char *code);

#endif
