/* Somebody without a place is admitted to a full node. */
#define lease_rule_admits_placeless lease_rule_admits_placeless_shipped
#include "assign/lease_rules.c"
#undef lease_rule_admits_placeless

bool lease_rule_admits_placeless(uint32_t active, uint32_t outstanding, uint32_t capacity);

bool lease_rule_admits_placeless(uint32_t active, uint32_t outstanding, uint32_t capacity)
{
	return lease_rule_admits_placeless_shipped(active, outstanding, capacity) || active < capacity;
}
