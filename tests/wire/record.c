/* Writes what this build says and stores, for tests/wire/VERSION: called by scripts/release.
 *
 *     wire_record FOLDER        FOLDER/bytes, FOLDER/replica/, FOLDER/cache/, and what is in those as text
 *
 * `bytes`: a line a sample, KIND HEX, and below it what is in it, a line a field, behind a tab.
 */
#include "base/check.h"
#include "disks.h"
#include "samples.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static struct samples_reader *reader;

static void put_hex(FILE *f, struct bytes b)
{
	for (size_t i = 0; i < b.n; i++)
		CHECK(fprintf(f, "%02x", b.p[i]) == 2);
}

static void record_sample(void *arg, const char *kind, struct bytes bytes)
{
	FILE *f = arg;
	struct buf recorded, again;
	buf_init(&recorded, 1 << 20);
	buf_init(&again, 1 << 20);
	CHECK(samples_reread(reader, kind, bytes, &recorded, &again) == OK);
	CHECK(buf_err(&recorded) == OK);
	CHECK(fprintf(f, "%s ", kind) > 0);
	put_hex(f, bytes);
	CHECK(fputc('\n', f) != EOF);
	struct bytes rest = buf_bytes(&recorded);
	while (rest.n > 0) {
		size_t n = bytes_index(rest, '\n');
		CHECK(fprintf(f, "\t%.*s\n", (int)n, (const char *)rest.p) > 0);
		rest = bytes_from(rest, n + 1);
	}
	buf_fini(&recorded);
	buf_fini(&again);
}

static FILE *create(const char *folder, const char *name)
{
	char path[512];
	CHECK(snprintf(path, sizeof(path), "%s/%s", folder, name) < (int)sizeof(path));
	FILE *f = fopen(path, "w");
	if (f == NULL) {
		perror(path);
		exit(1);
	}
	return f;
}

static __attribute__((format(printf, 1, 0))) void run(const char *format, const char *path)
{
	char command[600];
	CHECK(snprintf(command, sizeof(command), format, path) < (int)sizeof(command));
	CHECK(system(command) == 0);
}

/* They hold nothing that outlives a process. */
static void drop_locks(const char *path)
{
	run("find '%s' '(' -name lock -o -name lock.mdb ')' -delete", path);
}

static void record_disk(const char *folder, const char *name, void (*write)(const char *),
    enum err (*text)(const char *, struct buf *))
{
	char path[512], copy[512];
	CHECK(snprintf(path, sizeof(path), "%s/%s", folder, name) < (int)sizeof(path));
	CHECK(snprintf(copy, sizeof(copy), "%s.txt", name) < (int)sizeof(copy));
	write(path);
	drop_locks(path);
	/* Written twice: the text comes of one that is opened and gone. */
	struct buf out;
	char scratch[] = "/tmp/warmcast-record-XXXXXX";
	CHECK(mkdtemp(scratch) != NULL);
	write(scratch);
	buf_init(&out, 1 << 20);
	if (text(scratch, &out) != OK || buf_err(&out) != OK) {
		(void)fprintf(stderr, "%.*s", (int)out.n, (const char *)out.p);
		exit(1);
	}
	FILE *f = create(folder, copy);
	CHECK(fwrite(out.p, 1, out.n, f) == out.n && fclose(f) == 0);
	buf_fini(&out);
	run("rm -rf '%s'", scratch);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		(void)fprintf(stderr, "usage: wire_record FOLDER\n");
		return 2;
	}
	if (mkdir(argv[1], 0777) != 0 && errno != EEXIST) {
		perror(argv[1]);
		return 1;
	}
	FILE *f = create(argv[1], "bytes");
	reader = samples_reader_new();
	samples_each(record_sample, f);
	samples_reader_free(reader);
	CHECK(fclose(f) == 0);
	record_disk(argv[1], "replica", replica_write, replica_text);
	record_disk(argv[1], "cache", cache_write_disk, cache_text);
	return 0;
}
