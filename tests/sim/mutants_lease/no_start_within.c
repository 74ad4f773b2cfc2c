/* A batch closes when its places can be taken no more, though their viewers may still be on their way. */
#define lease_rule_close_at lease_rule_close_at_shipped
#include "assign/lease_rules.c"
#undef lease_rule_close_at

uint64_t lease_rule_close_at(uint64_t now_ms, uint32_t life_ms, uint32_t start_within_ms);

uint64_t lease_rule_close_at(uint64_t now_ms, uint32_t life_ms, uint32_t start_within_ms)
{
	return lease_rule_close_at_shipped(now_ms, life_ms, start_within_ms) - start_within_ms;
}
