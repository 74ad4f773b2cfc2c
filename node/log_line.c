#include "node/log_line.h"

#include "base/check.h"
#include "node/json_text.h"
#include "node/rfc3339.h"

#include <inttypes.h>
#include <string.h>

/* Behind the last field. */
static const char tail_whole[] = "}\n";
static const char tail_cut[] = ",\"truncated\":true}\n";

const char *log_level_str(enum log_level level)
{
	switch (level) {
	case LOG_DEBUG: return "debug";
	case LOG_INFO: return "info";
	case LOG_WARN: return "warn";
	case LOG_ERROR: return "error";
	}
	UNREACHABLE();
}

/* At most LOG_TEXT_MAX bytes, cut between characters. */
static void put_text(struct buf *out, const char *key, struct bytes text)
{
	static const char mark[] = "\xe2\x80\xa6"; /* U+2026 */
	json_put_key(out, key);
	if (text.n <= LOG_TEXT_MAX) {
		json_put_string(out, text);
		return;
	}
	size_t n = LOG_TEXT_MAX;
	for (unsigned back = 0; back < 3 && (text.p[n] & 0xc0) == 0x80; back++)
		n--;
	json_put_string(out, bytes_head(text, n));
	out->n--; /* the closing quote */
	buf_put_str(out, mark);
	buf_put_u8(out, '"');
}

static void put_field(struct buf *out, const struct log_field *f)
{
	if (f->kind == LOG_FIELD_TEXT) {
		put_text(out, f->key, f->text);
		return;
	}
	json_put_key(out, f->key);
	if (f->kind == LOG_FIELD_BOOL)
		buf_put_str(out, f->boolean ? "true" : "false");
	else if (f->kind == LOG_FIELD_U64)
		buf_printf(out, "%" PRIu64, f->u64);
	else
		buf_printf(out, "%" PRId64, f->i64);
}

/* A field as a whole, or nothing of it. */
static bool try_field(struct buf *out, const struct log_field *f)
{
	size_t before = out->n;
	put_field(out, f);
	if (buf_err(out) == OK)
		return true;
	out->n = before;
	out->err = OK;
	return false;
}

size_t log_line(const struct log_record *r, char out[LOG_LINE_MAX])
{
	/* A buffer over the caller's memory: filled to its bound, so it never grows. */
	size_t room = LOG_LINE_MAX - (sizeof(tail_cut) - 1);
	struct buf b = { .p = (uint8_t *)out, .cap = room, .max = room };
	char ts[RFC3339_MICROS_LEN + 1];
	rfc3339_micros(ts, r->wall_us);
	const struct log_field head[] = { LOG_STR("ts", ts), LOG_STR("level", log_level_str(r->level)),
		LOG_STR("node", r->node), LOG_STR("module", r->module), LOG_STR("event", r->event),
		LOG_STR("msg", r->msg), LOG_END };
	bool whole = true;
	buf_put_u8(&b, '{');
	for (const struct log_field *f = head; f->kind != LOG_FIELD_END; f++)
		whole = try_field(&b, f) && whole;
	for (const struct log_field *f = r->fields; f->kind != LOG_FIELD_END; f++)
		whole = try_field(&b, f) && whole;
	CHECK(b.p == (uint8_t *)out);
	size_t tail_n = whole ? sizeof(tail_whole) - 1 : sizeof(tail_cut) - 1;
	memcpy(out + b.n, whole ? tail_whole : tail_cut, tail_n);
	return b.n + tail_n;
}
