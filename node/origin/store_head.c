#include "node/origin/store_head.h"

#include "base/check.h"
#include "base/text.h"
#include "node/http/date.h"

#include <sodium/crypto_generichash.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { EVIDENCE_AGE_S = 2 };

static struct bytes trim(struct bytes s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = bytes_from(s, 1);
	while (s.n > 0 && strchr(" \t\r\n", s.p[s.n - 1]) != NULL)
		s.n--;
	return s;
}

static bool is_text(struct bytes a, const char *b)
{
	return a.n == strlen(b) && strncasecmp((const char *)a.p, b, a.n) == 0;
}

static void begin(struct store_head *h, struct bytes line)
{
	*h = (struct store_head){ .status = 0 };
	struct bytes rest = bytes_from(line, bytes_index(line, ' '));
	uint64_t status;
	rest = trim(rest);
	if (text_u64(bytes_head(rest, bytes_index(rest, ' ')), 999, &status) == OK)
		h->status = (int)status;
}

static void keep(struct store_head *h, char out[STORE_HEAD_FIELD_MAX], struct bytes value)
{
	if (value.n >= STORE_HEAD_FIELD_MAX || bytes_index(value, 0) < value.n) {
		h->malformed = true;
		return;
	}
	memcpy(out, value.p, value.n);
	out[value.n] = '\0';
}

static void take_length(struct store_head *h, struct bytes value)
{
	uint64_t length;
	if (text_u64(value, INT64_MAX, &length) != OK || (h->has_length && length != h->length)) {
		h->malformed = true;
		return;
	}
	h->has_length = true;
	h->length = length;
}

/* "bytes FIRST-LAST/TOTAL"; of 416 it is another form, which tells nothing that is needed. */
static void take_part(struct store_head *h, struct bytes value)
{
	struct bytes unit = BYTES_LIT("bytes ");
	uint64_t first, last, total;
	if (!bytes_starts_with(value, unit))
		return;
	value = bytes_from(value, unit.n);
	size_t dash = bytes_index(value, '-'), slash = bytes_index(value, '/');
	if (dash >= slash || slash == value.n)
		return;
	struct bytes last_text = bytes_from(bytes_head(value, slash), dash + 1);
	bool fits = text_u64(bytes_head(value, dash), INT64_MAX, &first) == OK &&
	            text_u64(last_text, INT64_MAX, &last) == OK &&
	            text_u64(bytes_from(value, slash + 1), INT64_MAX, &total) == OK && first <= last &&
	            last < total;
	h->has_part = fits && !h->has_part; /* two of them tell nothing */
	if (!h->has_part)
		return;
	h->part_start = first;
	h->part_length = last - first + 1;
	h->total = total;
}

/* Seconds, rounded up by whoever says it: what tells more exactly counts before it. */
static void take_age(struct store_head *h, struct bytes value)
{
	uint64_t age_s;
	if (h->has_age_ms || text_u64(value, INT32_MAX, &age_s) != OK)
		return;
	h->age_ms = age_s * 1000;
}

static void take_field(struct store_head *h, struct bytes name, struct bytes value)
{
	if (is_text(name, "content-length"))
		take_length(h, value);
	else if (is_text(name, "transfer-encoding"))
		h->chunked = true;
	else if (is_text(name, "content-range"))
		take_part(h, value);
	else if (is_text(name, "content-encoding"))
		h->encoded = !is_text(value, "identity") && !is_text(value, "aws-chunked");
	else if (is_text(name, "location"))
		h->located = true;
	else if (is_text(name, "x-amz-server-side-encryption"))
		h->keyed = h->keyed || !is_text(value, "AES256");
	else if (is_text(name, "x-amz-server-side-encryption-customer-algorithm"))
		h->keyed = true;
	else if (is_text(name, "age"))
		take_age(h, value);
	else if (is_text(name, "warmcast-age-ms"))
		h->has_age_ms = text_u64(value, INT64_MAX, &h->age_ms) == OK;
	else if (is_text(name, "warmcast-missing-ms"))
		h->missing = text_u64(value, INT32_MAX, &h->missing_ms) == OK;
	else if (is_text(name, "warmcast-grows"))
		h->grows = true;
	else if (is_text(name, "warmcast-filling"))
		h->filling = true;
	else if (is_text(name, "etag"))
		keep(h, h->etag, value);
	else if (is_text(name, "last-modified"))
		keep(h, h->last_modified, value);
	else if (is_text(name, "date"))
		keep(h, h->date, value);
}

void store_head_line(struct store_head *h, struct bytes line)
{
	if (bytes_starts_with(line, BYTES_LIT("HTTP/"))) {
		begin(h, line);
		return;
	}
	if (h->complete) /* trailers tell nothing of an object */
		return;
	struct bytes text = trim(line);
	if (text.n == 0) {
		h->complete = h->status != 0;
		return;
	}
	size_t colon = bytes_index(text, ':');
	if (colon < text.n)
		take_field(h, bytes_head(text, colon), trim(bytes_from(text, colon + 1)));
}

static bool is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool store_head_is_final(const struct store_head *h, bool follows)
{
	return h->complete && h->status >= 200 && !(follows && h->located && is_redirect(h->status));
}

enum err store_head_judge(const struct store_head *h)
{
	switch (h->status) {
	case 200: return h->malformed || h->encoded ? ERR_CORRUPT : OK;
	case 404:
	case 410: return ERR_NOT_FOUND;
	case 408:
	case 504: return ERR_TIMEOUT;
	case 425:
	case 429: return ERR_IO;
	default: break;
	}
	if (h->status >= 500 || h->status < 200)
		return ERR_IO;
	return h->status >= 400 ? ERR_DENIED : ERR_CORRUPT;
}

/* Of 206: what was asked for, up to the object's end. */
static bool is_part(const struct store_head *h, uint64_t start, uint64_t length)
{
	if (!h->has_part || h->part_start != start)
		return false;
	uint64_t left = h->total - start;
	return h->part_length == (left < length ? left : length) &&
	       (h->chunked || !h->has_length || h->length == h->part_length);
}

enum err store_head_judge_part(const struct store_head *h, uint64_t start, uint64_t length)
{
	if (h->status == 416)
		return ERR_INVALID;
	if (h->status != 206)
		return store_head_judge(h);
	return h->malformed || h->encoded || !is_part(h, start, length) ? ERR_CORRUPT : OK;
}

void store_head_fault(const struct store_head *h, char *out, size_t room)
{
	if (h->status != 200 && h->status != 206)
		(void)snprintf(out, room, "status %d", h->status);
	else if (h->encoded)
		(void)snprintf(out, room, "a Content-Encoding: these are not the object's own bytes");
	else if (h->malformed)
		(void)snprintf(out, room, "malformed fields");
	else if (h->status == 206)
		(void)snprintf(out, room, "status 206, and not the range that was asked for");
	else
		(void)snprintf(out, room, "nothing");
}

/* -- what it says of the object -- */

/* A quoted string without control characters, blanks or quotes in it (section 8.8.3). */
static bool is_strong(const char *etag)
{
	size_t n = strlen(etag);
	if (n < 3 || n > CACHE_VALIDATOR_MAX || etag[0] != '"' || etag[n - 1] != '"')
		return false;
	for (size_t i = 1; i + 1 < n; i++)
		if ((uint8_t)etag[i] <= ' ' || etag[i] == '"' || etag[i] == 0x7f)
			return false;
	return true;
}

static int64_t seconds_of(const char *date)
{
	uint64_t s;
	return http_date_parse(bytes_str(date), &s) == OK ? (int64_t)s : 0;
}

static bool is_evidence(const struct store_head *h, int64_t modified_s)
{
	int64_t now_s = seconds_of(h->date);
	return modified_s > 0 && now_s >= modified_s + EVIDENCE_AGE_S;
}

static void hash_text(crypto_generichash_state *state, const char *text)
{
	CHECK(crypto_generichash_update(state, (const uint8_t *)text, strlen(text) + 1) == 0);
}

static void make_validator(
    const struct store_head *h, int64_t modified_s, const uint8_t *nonce, char out[CACHE_VALIDATOR_MAX + 1])
{
	/* As the head has it: HEAD and GET are compared. */
	const uint64_t length = h->status == 206               ? h->total
	                        : h->has_length && !h->chunked ? h->length
	                                                       : UINT64_MAX;
	uint8_t sum[16];
	char hex[2 * sizeof(sum) + 1];
	crypto_generichash_state state;
	CHECK(crypto_generichash_init(&state, NULL, 0, sizeof(sum)) == 0);
	if (h->etag[0] == '\0' && !is_evidence(h, modified_s)) {
		CHECK(crypto_generichash_update(&state, nonce, STORE_HEAD_NONCE_BYTES) == 0);
	} else {
		hash_text(&state, h->etag);
		hash_text(&state, h->last_modified);
		CHECK(crypto_generichash_update(&state, (const uint8_t *)&length, sizeof(length)) == 0);
	}
	CHECK(crypto_generichash_final(&state, sum, sizeof(sum)) == 0);
	text_hex(hex, bytes_of(sum, sizeof(sum)));
	(void)snprintf(out, CACHE_VALIDATOR_MAX + 1, "\"%s\"", hex);
}

struct origin_info store_head_info(const struct store_head *h, uint64_t length, const uint8_t *nonce)
{
	struct origin_info info = { .length = h->status == 206 ? h->total : length,
		.modified_s = seconds_of(h->last_modified) };
	if (is_strong(h->etag))
		(void)snprintf(info.etag, sizeof(info.etag), "%s", h->etag);
	else
		make_validator(h, info.modified_s, nonce, info.etag);
	return info;
}
