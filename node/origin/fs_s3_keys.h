/* The keys of an S3 store in their file, read again when it has changed: so that they rotate without a
 * restart. A file that cannot be read then is said once, and what was read before goes on.
 *
 * Threading: any thread.
 */
#ifndef NODE_ORIGIN_FS_S3_KEYS_H
#define NODE_ORIGIN_FS_S3_KEYS_H

#include "node/config.h"
#include "node/origin/s3.h"

/* Reads the file once. On failure `error` is one line that names it. */
MUST_USE enum err fs_s3_keys_read(const char *path, struct s3_keys *out, char error[CONFIG_ERROR_MAX]);

struct fs_s3_keys;
/* `path` is copied; nothing is read yet. */
struct fs_s3_keys *fs_s3_keys_new(const char *path);
void fs_s3_keys_free(struct fs_s3_keys *k);
/* The keys as they are now; the caller wipes them. Fails when they could never be read. */
MUST_USE enum err fs_s3_keys_now(struct fs_s3_keys *k, struct s3_keys *out, char error[CONFIG_ERROR_MAX]);

#endif
