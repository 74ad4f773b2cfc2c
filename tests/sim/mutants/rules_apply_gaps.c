/* R3 broken: an interval that leaves a gap is applied. */
#define kvs_rule_continues kvs_rule_continues_shipped
#include "kvs/rules.c"
#undef kvs_rule_continues

bool kvs_rule_continues(uint64_t from, uint64_t to, uint64_t have);

bool kvs_rule_continues(uint64_t from, uint64_t to, uint64_t have)
{
	return kvs_rule_continues_shipped(from, to, have) || have < to;
}
