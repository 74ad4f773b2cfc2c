#include "node/admin/admin.h"
#include "node/member_of.h"

struct bytes admin_name_of(const struct kvs *kvs, const struct node_id *id)
{
	struct kvs_member m;
	return member_of(kvs, id, &m) && m.reg != NULL ? m.reg->name : BYTES_NONE;
}
