/* What every release wrote is read by this build, and nothing of it is lost (V1, V3, V4).
 *
 * A failure here means that a node of this build does not understand one of that release, or its disk: change
 * the code, not what was recorded.
 */
#include "base/check.h"
#include "base/text.h"
#include "disks.h"
#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX = 4 << 20, RELEASES_MAX = 64, PATH_BYTES = 600 };

static struct {
	char names[RELEASES_MAX][32];
	size_t n;
} releases;

static void find_releases(void)
{
	DIR *d = opendir(WIRE_FOLDER);
	assert_non_null(d);
	for (const struct dirent *e; (e = readdir(d)) != NULL;) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		assert_true(releases.n < RELEASES_MAX && strlen(e->d_name) < sizeof(releases.names[0]));
		memcpy(releases.names[releases.n++], e->d_name, strlen(e->d_name) + 1);
	}
	closedir(d);
	assert_true(releases.n > 0);
}

static void path_of(char out[PATH_BYTES], const char *release, const char *name)
{
	int n = snprintf(out, PATH_BYTES, "%s/%s/%s", WIRE_FOLDER, release, name);
	assert_in_range(n, 1, PATH_BYTES - 1);
}

static void read_file(const char *release, const char *name, struct buf *out)
{
	char path[PATH_BYTES], chunk[4096];
	path_of(path, release, name);
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		fail_msg("%s is missing", path);
	for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
		buf_put(out, chunk, n);
	fclose(f);
	assert_int_equal(buf_err(out), OK);
}

static bool next_line(struct bytes *rest, struct bytes *line)
{
	if (rest->n == 0)
		return false;
	size_t n = bytes_index(*rest, '\n');
	*line = bytes_head(*rest, n);
	*rest = bytes_from(*rest, n == rest->n ? n : n + 1);
	return true;
}

static bool has_line(struct bytes text, struct bytes line)
{
	for (struct bytes one; next_line(&text, &one);)
		if (bytes_eq(one, line))
			return true;
	return false;
}

static void assert_has(const char *release, const char *what, struct bytes text, struct bytes line)
{
	if (!has_line(text, line))
		fail_msg("%s of release %s lost '%.*s'; it is\n%.*s", what, release, (int)line.n,
		    (const char *)line.p, (int)text.n, (const char *)text.p);
}

/* -- messages, entries, tokens -- */

struct sample {
	const char *release;
	char kind[32];
	struct buf recorded, again;
};

/* From a line KIND HEX. */
static void reread(struct samples_reader *r, struct sample *s, struct bytes line)
{
	static uint8_t in[SAMPLE_MAX];
	size_t space = bytes_index(line, ' ');
	assert_in_range(space, 1, sizeof(s->kind) - 1);
	memcpy(s->kind, line.p, space);
	s->kind[space] = '\0';
	struct bytes hex = bytes_from(line, space + 1);
	assert_in_range(hex.n, 0, 2 * sizeof(in));
	assert_int_equal(text_unhex(in, hex), OK);
	buf_clear(&s->recorded);
	buf_clear(&s->again);
	enum err e = samples_reread(r, s->kind, bytes_of(in, hex.n / 2), &s->recorded, &s->again);
	if (e != OK)
		fail_msg("a %s of release %s: %s", s->kind, s->release, err_str(e));
	/* What this build's schema sees in it is there again after this build's structs. */
	struct bytes rest = buf_bytes(&s->recorded);
	for (struct bytes one; next_line(&rest, &one);)
		assert_has(s->release, s->kind, buf_bytes(&s->again), one);
}

static void every_recorded_field_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < releases.n; i++) {
		struct sample s = { .release = releases.names[i] };
		struct buf file;
		size_t n = 0;
		buf_init(&file, FILE_MAX);
		buf_init(&s.recorded, FILE_MAX);
		buf_init(&s.again, FILE_MAX);
		read_file(s.release, "bytes", &file);
		struct samples_reader *r = samples_reader_new();
		struct bytes rest = buf_bytes(&file);
		for (struct bytes line; next_line(&rest, &line); n++) {
			/* And so is what that release itself saw in it. */
			if (line.p[0] == '\t')
				assert_has(s.release, s.kind, buf_bytes(&s.again), bytes_from(line, 1));
			else
				reread(r, &s, line);
		}
		assert_true(n > 0);
		samples_reader_free(r);
		buf_fini(&file);
		buf_fini(&s.recorded);
		buf_fini(&s.again);
	}
}

static void add_seen(void *seen, const char *kind, struct bytes bytes)
{
	samples_seen(seen, kind, bytes);
}

/* Or the next release would be recorded without it. */
static void every_field_of_today_is_in_a_sample(void **state)
{
	(void)state;
	static struct pb_seen seen;
	struct buf missing;
	buf_init(&missing, FILE_MAX);
	samples_each(add_seen, &seen);
	samples_missing(&seen, &missing);
	if (missing.n > 0)
		fail_msg("tests/wire/samples.c does not set\n%.*s", (int)missing.n, (const char *)missing.p);
	buf_fini(&missing);
}

/* -- disks -- */

static void assert_disk(const char *release, const char *name, enum err (*text)(const char *, struct buf *))
{
	char path[PATH_BYTES], command[2 * PATH_BYTES], want[64];
	char scratch[] = "/tmp/warmcast-wire-XXXXXX";
	struct buf recorded, out;
	buf_init(&recorded, FILE_MAX);
	buf_init(&out, FILE_MAX);
	snprintf(want, sizeof(want), "%s.txt", name);
	read_file(release, want, &recorded);
	path_of(path, release, name);
	assert_non_null(mkdtemp(scratch));
	snprintf(command, sizeof(command), "cp -r '%s/.' '%s'", path, scratch);
	assert_int_equal(system(command), 0);
	/* Twice: the second start finds what this build made of it. */
	for (int start = 0; start < 2; start++) {
		buf_clear(&out);
		enum err e = text(scratch, &out);
		if (e != OK)
			fail_msg(
			    "the %s of release %s: %s: %.*s", name, release, err_str(e), (int)out.n, (const char *)out.p);
		struct bytes rest = buf_bytes(&recorded);
		for (struct bytes line; next_line(&rest, &line);) {
			/* Who started once more is a later run of the same node. */
			if (start == 0 || !bytes_starts_with(line, BYTES_LIT("self ")))
				assert_has(release, name, buf_bytes(&out), line);
		}
	}
	snprintf(command, sizeof(command), "rm -rf '%s'", scratch);
	assert_int_equal(system(command), 0);
	buf_fini(&recorded);
	buf_fini(&out);
}

static void every_recorded_disk_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < releases.n; i++) {
		assert_disk(releases.names[i], "replica", replica_text);
		assert_disk(releases.names[i], "cache", cache_text);
	}
}

int main(void)
{
	find_releases();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_recorded_field_is_read),
		cmocka_unit_test(every_field_of_today_is_in_a_sample),
		cmocka_unit_test(every_recorded_disk_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
