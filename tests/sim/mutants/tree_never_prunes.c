/* R6 broken: nobody leaves the tree. */
#define kvs_rule_prunes kvs_rule_prunes_shipped
#include "kvs/rules.c"
#undef kvs_rule_prunes

bool kvs_rule_prunes(unsigned duplicates);

bool kvs_rule_prunes(unsigned duplicates)
{
	return kvs_rule_prunes_shipped(duplicates) && duplicates > 1000000;
}
