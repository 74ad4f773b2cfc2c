/* R6 broken: a pull that got no answer is not sent again. */
#define kvs_rule_pulls_again kvs_rule_pulls_again_shipped
#include "kvs/rules.c"
#undef kvs_rule_pulls_again

bool kvs_rule_pulls_again(unsigned tries);

bool kvs_rule_pulls_again(unsigned tries)
{
	return kvs_rule_pulls_again_shipped(tries) && tries < 1;
}
