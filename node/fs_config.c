#include "node/fs_config.h"

#include "node/config_yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err __attribute__((format(printf, 4, 5)))
refuse(char *error, enum err e, const char *path, const char *format, ...)
{
	int n = snprintf(error, CONFIG_ERROR_MAX, "%.512s: ", path);
	va_list ap;
	va_start(ap, format);
	vsnprintf(error + n, CONFIG_ERROR_MAX - (size_t)n, format, ap);
	va_end(ap);
	return e;
}

static enum err refuse_errno(char *error, const char *path, const char *doing)
{
	int errnum = errno;
	return refuse(error, err_from_errno(errnum), path, "cannot %s: %s", doing, strerrordesc_np(errnum));
}

static enum err read_all(int fd, const char *path, size_t max, struct buf *out, char *error)
{
	uint8_t piece[4096];
	size_t total = 0;
	enum err e = OK;
	while (e == OK) {
		ssize_t n = read(fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			e = refuse_errno(error, path, "read it");
		if (n <= 0)
			break;
		total += (size_t)n;
		if (total > max)
			e = refuse(error, ERR_TOO_BIG, path, "longer than %zu bytes", max);
		else
			buf_put(out, piece, (size_t)n);
	}
	explicit_bzero(piece, sizeof(piece));
	if (e == OK && buf_err(out) != OK)
		e = refuse(error, buf_err(out), path, "%s", err_str(buf_err(out)));
	return e;
}

/* O_NONBLOCK: a FIFO in the file's place must not hold the start. */
static enum err open_regular(const char *path, int *fd, struct stat *st, char *error)
{
	int f = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (f < 0)
		return refuse_errno(error, path, "open it");
	enum err e = OK;
	if (fstat(f, st) != 0)
		e = refuse_errno(error, path, "stat it");
	else if (!S_ISREG(st->st_mode))
		e = refuse(error, ERR_INVALID, path, "is no regular file");
	if (e == OK)
		*fd = f;
	else
		close(f);
	return e;
}

enum err fs_config_read(const char *path, struct arena *a, struct config *out, char error[CONFIG_ERROR_MAX])
{
	int fd;
	struct stat st;
	enum err e = open_regular(path, &fd, &st, error);
	if (e != OK)
		return e;
	struct buf text;
	buf_init(&text, CONFIG_FILE_MAX);
	e = read_all(fd, path, CONFIG_FILE_MAX, &text, error);
	close(fd);
	if (e == OK)
		e = config_parse(buf_bytes(&text), path, a, out, error);
	buf_fini(&text);
	return e;
}

static enum err read_whole(const char *path, size_t max, bool secret, struct buf *out, char *error)
{
	int fd;
	struct stat st;
	enum err e = open_regular(path, &fd, &st, error);
	if (e != OK)
		return e;
	size_t before = out->n;
	if (secret && (st.st_mode & (S_IRWXG | S_IRWXO)))
		e = refuse(error, ERR_DENIED, path, "a secret must not be readable by others (chmod 600)");
	else
		e = read_all(fd, path, max, out, error);
	if (e == OK && out->n == before)
		e = refuse(error, ERR_INVALID, path, "is empty");
	close(fd);
	return e;
}

enum err fs_text_read(const char *path, size_t max, struct buf *out, char error[CONFIG_ERROR_MAX])
{
	return read_whole(path, max, false, out, error);
}

enum err fs_secret_read(const char *path, size_t max, struct buf *out, char error[CONFIG_ERROR_MAX])
{
	return read_whole(path, max, true, out, error);
}
