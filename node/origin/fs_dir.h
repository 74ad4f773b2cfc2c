/* The `dir` origin: objects are the regular files under a folder.
 *
 * Nothing outside the folder is ever opened, whatever a name or a symlink says (openat2 with RESOLVE_BENEATH;
 * a relative symlink that stays inside works). The folder is opened anew each time: it may be mounted later,
 * or go away. The validator is a hash of inode, size and modification time in nanoseconds.
 */
#ifndef NODE_ORIGIN_FS_DIR_H
#define NODE_ORIGIN_FS_DIR_H

#include "node/origin/source.h"

/* `path` is copied. Free it with its free(). */
struct origin_source *fs_dir_new(const char *path);

#endif
