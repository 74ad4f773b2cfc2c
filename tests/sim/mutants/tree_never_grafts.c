/* R6 broken: nobody joins the tree. */
#define kvs_rule_grafts kvs_rule_grafts_shipped
#include "kvs/rules.c"
#undef kvs_rule_grafts

bool kvs_rule_grafts(unsigned misses);

bool kvs_rule_grafts(unsigned misses)
{
	return kvs_rule_grafts_shipped(misses) && misses > 1000000;
}
