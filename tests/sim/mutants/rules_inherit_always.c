/* R2 broken: a row is kept under any new incarnation. */
#define kvs_rule_inherits kvs_rule_inherits_shipped
#include "kvs/rules.c"
#undef kvs_rule_inherits

bool kvs_rule_inherits(const struct rpc_ancestor *ancestors, size_t n, struct incarnation incarnation,
    uint64_t have, uint64_t horizon);

bool kvs_rule_inherits(const struct rpc_ancestor *ancestors, size_t n, struct incarnation incarnation,
    uint64_t have, uint64_t horizon)
{
	return kvs_rule_inherits_shipped(ancestors, n, incarnation, have, horizon) || incarnation.count != 0;
}
