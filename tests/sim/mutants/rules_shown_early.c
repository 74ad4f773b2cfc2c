/* R4 broken: a row being built anew is shown before it has reached its floor. */
#define kvs_rule_built kvs_rule_built_shipped
#include "kvs/rules.c"
#undef kvs_rule_built

bool kvs_rule_built(uint64_t have, uint64_t base);

bool kvs_rule_built(uint64_t have, uint64_t base)
{
	return kvs_rule_built_shipped(have, base) || have > 0;
}
