/* What is lent comes back by arrival or CLOSE only. */
#define lease_rule_close_at lease_rule_close_at_shipped
#include "assign/lease_rules.c"
#undef lease_rule_close_at

uint64_t lease_rule_close_at(uint64_t now_ms, uint32_t life_ms, uint32_t start_within_ms);

uint64_t lease_rule_close_at(uint64_t now_ms, uint32_t life_ms, uint32_t start_within_ms)
{
	return lease_rule_close_at_shipped(now_ms, life_ms, start_within_ms) + 100000;
}
