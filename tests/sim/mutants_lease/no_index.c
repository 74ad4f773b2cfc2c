/* An index below the limit admits however often it comes. */
#define lease_rule_admits lease_rule_admits_shipped
#include "assign/lease_rules.c"
#undef lease_rule_admits

bool lease_rule_admits(uint32_t index, uint32_t limit, bool came);

bool lease_rule_admits(uint32_t index, uint32_t limit, bool came)
{
	return lease_rule_admits_shipped(index, limit, came) || index < limit;
}
