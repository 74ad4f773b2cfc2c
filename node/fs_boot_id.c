#include "node/fs_boot_id.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum err fs_boot_id(char out[BOOT_ID_LEN + 1])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_from_errno(errno);
	char text[BOOT_ID_LEN];
	ssize_t n = read(fd, text, sizeof(text));
	enum err e = n == BOOT_ID_LEN ? OK : n < 0 ? err_from_errno(errno) : ERR_IO;
	close(fd);
	if (e == OK) {
		memcpy(out, text, sizeof(text));
		out[BOOT_ID_LEN] = '\0';
	}
	return e;
}
