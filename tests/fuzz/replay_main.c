/* Runs a fuzz target over every file of the folders (or single files) named on the command line, so
 * that each build replays what the fuzzer once found. Fails when there was nothing to replay.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUT_MAX_BYTES = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static unsigned replayed;

static void die(const char *what, const char *path)
{
	fprintf(stderr, "%s: %s: %s\n", path, what, strerror(errno));
	exit(2);
}

static void replay_file(const char *path, off_t size)
{
	if (size > INPUT_MAX_BYTES) {
		errno = EFBIG;
		die("not replayed", path);
	}
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		die("open", path);
	/* Exactly as long as the input, so that the address sanitizer sees a read past its end. */
	uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
	if (data == NULL)
		die("malloc", path);
	size_t n = fread(data, 1, (size_t)size, f);
	if (ferror(f) || n != (size_t)size)
		die("read", path);
	fclose(f);
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	replayed++;
}

static void replay(const char *path)
{
	struct stat st;
	if (stat(path, &st) != 0)
		die("stat", path);
	if (!S_ISDIR(st.st_mode)) {
		replay_file(path, st.st_size);
		return;
	}
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort);
	if (n < 0)
		die("scandir", path);
	for (int i = 0; i < n; i++) {
		char *inner;
		if (names[i]->d_name[0] != '.') {
			if (asprintf(&inner, "%s/%s", path, names[i]->d_name) < 0)
				die("asprintf", path);
			replay(inner);
			free(inner);
		}
		free(names[i]);
	}
	free(names);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	printf("%u inputs replayed\n", replayed);
	return replayed > 0 ? 0 : 1;
}
