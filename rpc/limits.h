/* The limits of rpc/msg.h and the shape of each message, checked the same way before encoding and
 * after decoding; private to rpc/.
 */
#ifndef RPC_LIMITS_H
#define RPC_LIMITS_H

#include "rpc/msg.h"

/* At least min and at most max bytes of UTF-8 without NUL: ERR_TOO_BIG past max, else ERR_INVALID. */
MUST_USE enum err limits_text(struct bytes s, size_t min, size_t max);
/* ERR_TOO_BIG for what breaks a limit, ERR_INVALID for what makes no sense. RPC_UNKNOWN is fine. */
MUST_USE enum err limits_msg(const struct rpc_msg *m);

#endif
