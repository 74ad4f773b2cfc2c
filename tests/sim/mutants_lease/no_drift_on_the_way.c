/* Drifting clocks are thought of while places are taken, not while their viewers are on their way. */
#define lease_rule_told_life lease_rule_told_life_shipped
#include "assign/lease_rules.c"
#undef lease_rule_told_life

uint32_t lease_rule_told_life(uint32_t life_ms, uint32_t start_within_ms);

uint32_t lease_rule_told_life(uint32_t life_ms, uint32_t start_within_ms)
{
	(void)start_within_ms;
	return life_ms;
}
