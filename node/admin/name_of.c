#include "node/admin/admin.h"

struct bytes admin_name_of(const struct kvs *kvs, const struct node_id *id)
{
	size_t low = 0, high = kvs_members_n(kvs);
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		struct kvs_member m;
		kvs_member_at(kvs, mid, &m);
		int order = node_id_cmp(&m.id, id);
		if (order == 0)
			return m.reg != NULL ? m.reg->name : BYTES_NONE;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return BYTES_NONE;
}
