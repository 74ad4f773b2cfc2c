/* A grant that comes twice is a batch twice. */
#define lease_rule_accepts lease_rule_accepts_shipped
#include "assign/lease_rules.c"
#undef lease_rule_accepts

bool lease_rule_accepts(bool pending, uint64_t pending_id, uint64_t id);

bool lease_rule_accepts(bool pending, uint64_t pending_id, uint64_t id)
{
	return lease_rule_accepts_shipped(pending, pending_id, id) || id == pending_id;
}
