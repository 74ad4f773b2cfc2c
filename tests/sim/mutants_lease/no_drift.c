/* All clocks are thought to agree. */
#define lease_rule_until lease_rule_until_shipped
#define lease_rule_told_life lease_rule_told_life_shipped
#include "assign/lease_rules.c"
#undef lease_rule_until
#undef lease_rule_told_life

uint64_t lease_rule_until(uint64_t first_sent_ms, uint64_t now_ms, uint32_t told_life_ms);
uint32_t lease_rule_told_life(uint32_t life_ms, uint32_t start_within_ms);

uint64_t lease_rule_until(uint64_t first_sent_ms, uint64_t now_ms, uint32_t told_life_ms)
{
	(void)now_ms;
	return first_sent_ms + told_life_ms;
}

uint32_t lease_rule_told_life(uint32_t life_ms, uint32_t start_within_ms)
{
	(void)start_within_ms;
	return life_ms;
}
