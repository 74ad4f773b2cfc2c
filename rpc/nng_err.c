#include "rpc/nng_err.h"

#include <nng/nng.h>

enum err err_from_nng(int rv)
{
	switch (rv) {
	case 0: return OK;
	case NNG_ENOMEM: return ERR_NO_MEMORY;
	case NNG_EINVAL:
	case NNG_EADDRINVAL: return ERR_INVALID;
	case NNG_EBUSY:
	case NNG_EADDRINUSE: return ERR_BUSY;
	case NNG_ETIMEDOUT: return ERR_TIMEOUT;
	case NNG_ECLOSED:
	case NNG_ECANCELED:
	case NNG_ECONNABORTED:
	case NNG_ECONNRESET:
	case NNG_ECONNSHUT: return ERR_CLOSED;
	case NNG_ECONNREFUSED: return ERR_REFUSED;
	case NNG_ENOENT: return ERR_NOT_FOUND;
	case NNG_EPERM: return ERR_DENIED;
	case NNG_ENOFILES: return ERR_FULL;
	case NNG_EPEERAUTH: return ERR_FORGED;
	case NNG_ECRYPTO: return ERR_INVALID;
	case NNG_EMSGSIZE: return ERR_TOO_BIG;
	default: break;
	}
	if (rv & NNG_ESYSERR)
		return err_from_errno(rv & ~NNG_ESYSERR);
	return ERR_IO;
}
