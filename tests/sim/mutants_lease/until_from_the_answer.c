/* The time of a batch is counted from its answer, which may be as late as a link is slow. */
#define lease_rule_until lease_rule_until_shipped
#include "assign/lease_rules.c"
#undef lease_rule_until

uint64_t lease_rule_until(uint64_t first_sent_ms, uint64_t now_ms, uint32_t told_life_ms);

uint64_t lease_rule_until(uint64_t first_sent_ms, uint64_t now_ms, uint32_t told_life_ms)
{
	(void)first_sent_ms;
	return lease_rule_until_shipped(now_ms, now_ms, told_life_ms);
}
