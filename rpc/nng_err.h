/* nng's errors in ours; private to rpc/. */
#ifndef RPC_NNG_ERR_H
#define RPC_NNG_ERR_H

#include "base/err.h"

enum err err_from_nng(int rv);

#endif
