#include "node/member_of.h"

bool member_of(const struct kvs *kvs, const struct node_id *id, struct kvs_member *out)
{
	size_t low = 0, high = kvs_members_n(kvs);
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		struct kvs_member m;
		kvs_member_at(kvs, mid, &m);
		int order = node_id_cmp(&m.id, id);
		if (order == 0) {
			*out = m;
			return true;
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}
