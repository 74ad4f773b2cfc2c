/* Configuration and secrets from files. Errors are one line, as of config_parse. */
#ifndef NODE_FS_CONFIG_H
#define NODE_FS_CONFIG_H

#include "node/config.h"

enum { SECRET_FILE_MAX = 16 * 1024 };

/* Reads and parses the file. On failure *out is untouched and `error` holds the line. */
MUST_USE enum err fs_config_read(
    const char *path, struct arena *a, struct config *out, char error[CONFIG_ERROR_MAX]);
/* The content of a file, appended to `out` (whose bound holds): at most `max` bytes. Refused when it is no
 * regular file, or empty. */
MUST_USE enum err fs_text_read(const char *path, size_t max, struct buf *out, char error[CONFIG_ERROR_MAX]);
/* The content of a secret file, appended to `out` (whose bound holds): at most `max` bytes. Refused when
 * others than its owner can read or write it, when it is no regular file, or empty. The caller wipes `out`.
 */
MUST_USE enum err fs_secret_read(const char *path, size_t max, struct buf *out, char error[CONFIG_ERROR_MAX]);

#endif
