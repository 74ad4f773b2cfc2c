/* Playlists: whatever bytes, the names are slices of them, and what they lead to lies in the content. */
#include "base/check.h"
#include "node/warm/hls.h"
#include "node/warm/resolve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct bytes whole;

static void on_item(void *arg, const struct hls_item *item)
{
	static const struct bytes content = { (const uint8_t *)"a/b", 3 };
	struct arena *a = arg;
	struct bytes object;
	struct bytes uri = item->uri;
	CHECK(item->duration_ms <= HLS_DURATION_MAX_MS && (item->kind == HLS_SEGMENT || item->duration_ms == 0));
	CHECK(item->kind == HLS_VARIANT || (item->peak_bps == 0 && item->average_bps == 0));
	CHECK(uri.n > 0 && uri.p >= whole.p && uri.p + uri.n <= whole.p + whole.n);
	if (warm_resolve(content, BYTES_LIT("a/b/v w/index.m3u8"), uri, a, &object) == OK) {
		CHECK(object.n > 4 && bytes_starts_with(object, BYTES_LIT("a/b/")));
		CHECK(object.p[object.n - 1] != '/' && bytes_index(object, '\0') == object.n);
	}
	arena_reset(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a;
	arena_init(&a, 1 << 20);
	whole = bytes_of(data, n);
	if (hls_read(whole, on_item, &a) != OK)
		CHECK(!bytes_starts_with(whole, BYTES_LIT("#EXTM3U\n")));
	arena_fini(&a);
	return 0;
}
