#include "node/admin/admin.h"
#include "node/member_of.h"

struct bytes admin_name_of(const struct kvs *kvs, const struct node_id *id)
{
	struct kvs_member m;
	return member_of(kvs, id, &m) && m.reg != NULL ? m.reg->name : BYTES_NONE;
}

struct bytes admin_operator_of(const struct http_exchange *x)
{
	return rpc_operator(http_header(http_request(x), "Warmcast-Operator"));
}
