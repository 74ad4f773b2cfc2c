/* R2 broken: two processes with one id jump above each other for ever. */
#define kvs_rule_duplicate_id kvs_rule_duplicate_id_shipped
#include "kvs/rules.c"
#undef kvs_rule_duplicate_id

bool kvs_rule_duplicate_id(unsigned jumps);

bool kvs_rule_duplicate_id(unsigned jumps)
{
	return kvs_rule_duplicate_id_shipped(jumps) && jumps > 1000000;
}
