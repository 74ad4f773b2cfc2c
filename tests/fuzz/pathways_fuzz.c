/* Playlists and MPDs with pathways written in: whatever bytes, what was rendered is not rendered again, and
 * keeps its first line. */
#include "base/check.h"
#include "node/playlist/pathways.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void try(enum err (*r)(struct bytes, const struct pathways *, struct buf *), struct bytes text)
{
	static const struct pathways p = {
		.own = { (const uint8_t *)"d-1", 3 },
		.own_base = { (const uint8_t *)"http://d1/", 10 },
		.other = { (const uint8_t *)"d-2", 3 },
		.other_base = { (const uint8_t *)"http://d2/", 10 },
		.steering = { (const uint8_t *)"http://a/?x=1&y=2", 17 },
	};
	struct buf once, twice;
	buf_init(&once, 1 << 20);
	buf_init(&twice, 1 << 20);
	enum err e = r(text, &p, &once);
	CHECK(e == OK || (e == ERR_NOT_FOUND && once.n == 0) || e == ERR_TOO_BIG);
	if (e == OK) {
		CHECK(once.n > 0 && r(buf_bytes(&once), &p, &twice) == ERR_NOT_FOUND);
	}
	buf_fini(&once);
	buf_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	try(pathways_into_hls, bytes_of(data, n));
	try(pathways_into_mpd, bytes_of(data, n));
	return 0;
}
