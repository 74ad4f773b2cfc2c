#include "node/admin/fields.h"

#include "base/text.h"
#include "node/json_text.h"

#include <inttypes.h>

enum { HEX_BYTES_AT_ONCE = 32 };

void field_str(struct buf *out, const char *key, struct bytes value)
{
	json_put_key(out, key);
	json_put_string(out, value);
}

void field_str_if(struct buf *out, const char *key, struct bytes value)
{
	json_put_key(out, key);
	if (value.n > 0)
		json_put_string(out, value);
	else
		buf_put_str(out, "null");
}

void field_u64(struct buf *out, const char *key, uint64_t value)
{
	json_put_key(out, key);
	buf_printf(out, "%" PRIu64, value);
}

void field_bool(struct buf *out, const char *key, bool value)
{
	json_put_key(out, key);
	buf_put_str(out, value ? "true" : "false");
}

void field_hex64(struct buf *out, const char *key, uint64_t value)
{
	json_put_key(out, key);
	buf_printf(out, "\"%016" PRIx64 "\"", value);
}

void field_hex(struct buf *out, const char *key, struct bytes value)
{
	json_put_key(out, key);
	buf_put_u8(out, '"');
	while (value.n > 0) {
		char digits[2 * HEX_BYTES_AT_ONCE + 1];
		struct bytes some = bytes_head(value, value.n < HEX_BYTES_AT_ONCE ? value.n : HEX_BYTES_AT_ONCE);
		text_hex(digits, some);
		buf_put_str(out, digits);
		value = bytes_from(value, some.n);
	}
	buf_put_u8(out, '"');
}

void field_id(struct buf *out, const char *key, const struct node_id *id)
{
	field_hex(out, key, bytes_of(id->b, NODE_ID_BYTES));
}

void field_roles(struct buf *out, uint32_t roles)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = { { RPC_ROLE_API, "api" }, { RPC_ROLE_DELIVERY, "delivery" }, { RPC_ROLE_INGEST, "ingest" } };
	json_put_key(out, "roles");
	buf_put_u8(out, '[');
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((roles & names[i].bit) == 0)
			continue;
		json_put_next(out);
		json_put_string(out, bytes_str(names[i].name));
	}
	buf_put_u8(out, ']');
}

void field_register(struct buf *out, const struct rpc_register *r)
{
	field_str(out, "name", r->name);
	field_roles(out, r->roles);
	field_str(out, "zone", r->zone);
	field_str(out, "state", bytes_str(node_state_str(r->state)));
	field_str(out, "rpc", r->rpc_address);
	field_str(out, "version", r->build);
	field_u64(out, "capacity", r->capacity_sessions);
	json_put_key(out, "http");
	buf_put_u8(out, '[');
	for (size_t i = 0; i < r->http_urls_n; i++) {
		json_put_next(out);
		json_put_string(out, r->http_urls[i]);
	}
	buf_put_u8(out, ']');
}
