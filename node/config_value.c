#include "node/config_value.h"

#include "base/address.h"
#include "base/check.h"
#include "base/text.h"
#include "node/origin/object_url.h"
#include "rpc/msg.h"

#include <inttypes.h>
#include <string.h>

enum { PATH_BYTES_MAX = 1024 };

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest first: a bound is printed in the largest that divides it. */
static const struct unit size_units[] = { { "TiB", UINT64_C(1) << 40 }, { "GiB", 1 << 30 },
	{ "MiB", 1 << 20 }, { "KiB", 1 << 10 }, { "TB", UINT64_C(1000000000000) }, { "GB", 1000000000 },
	{ "MB", 1000000 }, { "KB", 1000 }, { "B", 1 }, { NULL, 0 } };
static const struct unit duration_units[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 },
	{ "s", 1000 }, { "ms", 1 }, { NULL, 0 } };
static const struct unit rate_units[] = { { "/s", 60 }, { "/m", 1 }, { NULL, 0 } };

bool config_type_is_text(enum setting_type t)
{
	return t <= SETTING_PACE;
}

static bool only_name_characters(struct bytes s, bool dots)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
		            c == '-' || (dots && c == '.');
		if (!fine)
			return false;
	}
	return true;
}

/* http://HOST[:PORT] or https://HOST[:PORT], nothing behind it. */
static bool is_url(struct bytes s)
{
	struct bytes http = BYTES_LIT("http://"), https = BYTES_LIT("https://");
	size_t scheme = bytes_starts_with(s, http) ? http.n : bytes_starts_with(s, https) ? https.n : 0;
	if (scheme == 0 || s.n > RPC_ADDRESS_MAX)
		return false;
	struct bytes host = bytes_from(s, scheme);
	struct address a;
	if (address_parse(host, &a) == OK)
		return a.port != 0 && !address_is_any(&a);
	char with_port[RPC_ADDRESS_MAX + 4];
	memcpy(with_port, host.p, host.n);
	memcpy(with_port + host.n, ":80", 3);
	return address_parse(bytes_of(with_port, host.n + 3), &a) == OK && !address_is_any(&a);
}

static bool is_address(struct bytes s, bool names)
{
	struct address a;
	return s.n <= RPC_ADDRESS_MAX && address_parse(s, &a) == OK && a.port != 0 &&
	       (names || a.kind != ADDRESS_NAME);
}

static uint64_t text_max(const struct setting *s)
{
	if (s->max != 0)
		return s->max;
	return s->type == SETTING_PATH ? PATH_BYTES_MAX : RPC_NAME_MAX;
}

static bool length_ok(const struct setting *s, struct bytes text)
{
	uint64_t min = s->type == SETTING_NAME ? 1 : s->min;
	return text.n >= min && text.n <= text_max(s);
}

static size_t digits_of(struct bytes text)
{
	size_t n = 0;
	while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9')
		n++;
	return n;
}

/* Digits with at most one after a point, times ten. */
static bool tenths(struct bytes text, uint64_t *out)
{
	size_t n = digits_of(text);
	struct bytes rest = bytes_from(text, n);
	uint64_t whole;
	bool decimal = rest.n == 2 && rest.p[0] == '.' && digits_of(bytes_from(rest, 1)) == 1;
	if (text_u64(bytes_head(text, n), UINT32_MAX, &whole) != OK || (rest.n > 0 && !decimal))
		return false;
	*out = whole * 10 + (decimal ? (uint64_t)(rest.p[1] - '0') : 0);
	return true;
}

bool config_value_pace(struct bytes text, struct config_pace *out)
{
	static const struct unit rates[] = { { "kbit/s", 1000 }, { "Mbit/s", 1000000 }, { "Gbit/s", 1000000000 },
		{ NULL, 0 } };
	uint64_t v;
	if (bytes_ends_with(text, BYTES_LIT("x"))) {
		if (!tenths(bytes_head(text, text.n - 1), &v) || v < 10 || v > 1000)
			return false;
		*out = (struct config_pace){ .permille = (uint32_t)v * 100 };
		return true;
	}
	for (const struct unit *u = rates; u->name != NULL; u++) {
		struct bytes name = bytes_str(u->name);
		if (!bytes_ends_with(text, name))
			continue;
		if (!tenths(bytes_head(text, text.n - name.n), &v) || v > 1000000)
			return false;
		v = v * u->factor / 10;
		if (v < 100000 || v > UINT64_C(100000000000))
			return false;
		*out = (struct config_pace){ .bits_per_s = v };
		return true;
	}
	return false;
}

const char *config_value_text(const struct setting *s, struct bytes text)
{
	/* An optional setting says none with "". */
	if (text.n == 0 && s->def != NULL && *s->def == '\0')
		return NULL;
	struct address_network network;
	struct config_pace pace;
	bool fine = true;
	switch (s->type) {
	case SETTING_STRING: fine = text_is_utf8(text) && length_ok(s, text); break;
	case SETTING_NAME:
	case SETTING_LABEL:
		fine = only_name_characters(text, s->type == SETTING_NAME) && length_ok(s, text);
		break;
	case SETTING_PATH:
		if (text.n == 0 || text.p[0] != '/')
			return "is not an absolute path";
		fine = length_ok(s, text);
		break;
	case SETTING_LISTEN: fine = is_address(text, false); break;
	case SETTING_ADDRESS: fine = is_address(text, true); break;
	case SETTING_URL: fine = is_url(text); break;
	case SETTING_TEMPLATE:
		if (text.n > text_max(s))
			return "is too long";
		return object_url_wrong(text);
	case SETTING_NETWORK: fine = address_network_parse(text, &network) == OK; break;
	case SETTING_PACE: fine = config_value_pace(text, &pace); break;
	default: UNREACHABLE();
	}
	return fine ? NULL : "is not allowed";
}

static const char *in_range(const struct setting *s, uint64_t v, uint64_t *out)
{
	uint64_t max = s->max == 0 ? UINT32_MAX : s->max;
	if (v < s->min || v > max)
		return "is out of range";
	*out = v;
	return NULL;
}

/* Digits and a unit; 0 needs none. */
static const char *with_unit(
    const struct setting *s, const struct unit *units, const char *wrong, struct bytes text, uint64_t *out)
{
	size_t n = digits_of(text);
	struct bytes unit = bytes_from(text, n);
	uint64_t v;
	enum err e = text_u64(bytes_head(text, n), UINT64_MAX, &v);
	if (e == ERR_INVALID)
		return wrong;
	if (unit.n == 0)
		return e == OK && v == 0 ? in_range(s, 0, out) : "has no unit";
	for (; units->name != NULL; units++) {
		if (!bytes_eq(unit, bytes_str(units->name)))
			continue;
		if (e != OK || __builtin_mul_overflow(v, units->factor, &v))
			return "is out of range";
		return in_range(s, v, out);
	}
	return wrong;
}

/* N% or N.N%, in permille. */
static const char *percent(const struct setting *s, struct bytes text, uint64_t *out)
{
	static const char wrong[] = "is not a percentage";
	if (!bytes_ends_with(text, BYTES_LIT("%")))
		return wrong;
	text.n--;
	size_t n = digits_of(text);
	uint64_t whole, tenth = 0;
	enum err e = text_u64(bytes_head(text, n), UINT32_MAX, &whole);
	if (e == ERR_TOO_BIG)
		return "is out of range";
	struct bytes rest = bytes_from(text, n);
	bool decimal = rest.n == 2 && rest.p[0] == '.' && digits_of(bytes_from(rest, 1)) == 1;
	if (e != OK || (rest.n > 0 && !decimal))
		return wrong;
	if (decimal)
		tenth = rest.p[1] - '0';
	return in_range(s, whole * 10 + tenth, out);
}

static const char *word(const struct setting *s, struct bytes text, uint64_t *out)
{
	for (size_t i = 0; s->words[i] != NULL; i++)
		if (bytes_eq(text, bytes_str(s->words[i]))) {
			*out = i;
			return NULL;
		}
	return "is not known";
}

const char *config_value_number(const struct setting *s, struct bytes text, uint64_t *out)
{
	uint64_t v;
	enum err e;
	switch (s->type) {
	case SETTING_U32:
		e = text_u64(text, UINT64_MAX, &v);
		if (e == ERR_INVALID)
			return "is not a whole number";
		return e != OK ? "is out of range" : in_range(s, v, out);
	case SETTING_SIZE: return with_unit(s, size_units, "is not a size", text, out);
	case SETTING_DURATION: return with_unit(s, duration_units, "is not a duration", text, out);
	case SETTING_PERCENT: return percent(s, text, out);
	case SETTING_RATE: return with_unit(s, rate_units, "is not a rate", text, out);
	case SETTING_ENUM:
	case SETTING_ROLES: return word(s, text, out);
	default: UNREACHABLE();
	}
}

const char *config_value_rate(struct bytes text, uint64_t max, uint64_t *per_min)
{
	const struct setting s = { .key = "rate", .type = SETTING_RATE, .max = max };
	return config_value_number(&s, text, per_min);
}

static void put_unit(struct buf *out, uint64_t v, const struct unit *units)
{
	while (v % units->factor != 0)
		units++;
	if (v == 0)
		buf_put_str(out, "0");
	else
		buf_printf(out, "%" PRIu64 "%s", v / units->factor, units->name);
}

static void put_unit_range(
    struct buf *out, const struct setting *s, const struct unit *units, const char *names)
{
	put_unit(out, s->min, units);
	buf_put_str(out, " to ");
	put_unit(out, s->max, units);
	buf_printf(out, ", in %s", names);
}

static void put_words(struct buf *out, const char *const *words)
{
	for (size_t i = 0; words[i] != NULL; i++)
		buf_printf(out, "%s%s", i == 0 ? "" : ", ", words[i]);
}

void config_value_allowed(const struct setting *s, struct buf *out)
{
	switch (s->type) {
	case SETTING_STRING:
		buf_printf(out, "%" PRIu64 " to %" PRIu64 " bytes of UTF-8", s->min, text_max(s));
		break;
	case SETTING_NAME: buf_printf(out, "1 to %" PRIu64 " of A-Z a-z 0-9 . _ -", text_max(s)); break;
	case SETTING_LABEL: buf_printf(out, "1 to %" PRIu64 " of A-Z a-z 0-9 _ -", text_max(s)); break;
	case SETTING_PATH: buf_printf(out, "an absolute path of at most %" PRIu64 " bytes", text_max(s)); break;
	case SETTING_LISTEN: buf_put_str(out, "an IP address and port: 127.0.0.1:7000 or [::1]:7000"); break;
	case SETTING_ADDRESS:
		buf_put_str(out, "a host and port: 10.0.0.1:7000, [::1]:7000 or host.example:7000");
		break;
	case SETTING_URL:
		buf_put_str(out, "http:// or https://, host and port, without a path: http://10.0.0.1:8080");
		break;
	case SETTING_TEMPLATE:
		buf_put_str(out, "http:// or https://, host, and {object} or {object_encoded} behind it: "
		                 "http://10.0.0.1/media/{object}");
		break;
	case SETTING_NETWORK: buf_put_str(out, "an IP address or a network: 10.0.0.0/8"); break;
	case SETTING_PACE:
		buf_put_str(out, "1x to 100x, or 100kbit/s to 100Gbit/s, such as 4x or 20Mbit/s");
		break;
	case SETTING_U32: buf_printf(out, "%" PRIu64 " to %" PRIu64, s->min, s->max); break;
	case SETTING_SIZE: put_unit_range(out, s, size_units, "KiB, MiB, GiB, TiB or KB, MB, GB, TB"); break;
	case SETTING_DURATION: put_unit_range(out, s, duration_units, "ms, s, m, h or d"); break;
	case SETTING_PERCENT: buf_printf(out, "%" PRIu64 "%% to %" PRIu64 "%%", s->min / 10, s->max / 10); break;
	case SETTING_RATE: put_unit_range(out, s, rate_units, "/s or /m"); break;
	case SETTING_ENUM: put_words(out, s->words); break;
	case SETTING_ROLES:
		buf_put_str(out, "a list of ");
		put_words(out, s->words);
		break;
	case SETTING_ITEMS: break;
	}
	if (s->note != NULL)
		buf_printf(out, " (%s)", s->note);
}
