/* The kernel's boot id: another one than at the last sync means that the host went down since (D5). */
#ifndef NODE_FS_BOOT_ID_H
#define NODE_FS_BOOT_ID_H

#include "base/err.h"

enum { BOOT_ID_LEN = 36 };

/* ERR_IO or another when /proc does not say; out is untouched then. */
MUST_USE enum err fs_boot_id(char out[BOOT_ID_LEN + 1]);

#endif
