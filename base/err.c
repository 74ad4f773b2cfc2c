#include "base/err.h"

#include <errno.h>

const char *err_str(enum err e)
{
	static const char *const texts[] = {
#define X(name, text) [name] = (text),
		ERR_TABLE(X)
#undef X
	};
	if ((unsigned)e >= ERR_COUNT)
		return "unknown error";
	return texts[e];
}

enum err err_from_errno(int errnum)
{
	switch (errnum) {
	case 0: return OK;
	case ENOENT:
	case ENOTDIR: return ERR_NOT_FOUND;
	case EEXIST: return ERR_EXISTS;
	case ENOSPC:
	case EDQUOT: return ERR_NO_SPACE;
	case ENOMEM: return ERR_NO_MEMORY;
	case EACCES:
	case EPERM:
	case EROFS: return ERR_DENIED;
	case EBUSY:
	case EADDRINUSE:
	case ETXTBSY: return ERR_BUSY;
	case ENAMETOOLONG:
	case EFBIG: return ERR_TOO_BIG;
	case EINVAL:
	case EISDIR: return ERR_INVALID;
	case EPIPE:
	case ECONNRESET: return ERR_CLOSED;
	case ETIMEDOUT: return ERR_TIMEOUT;
	default: return ERR_IO;
	}
}
