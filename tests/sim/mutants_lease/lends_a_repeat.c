/* A request is no longer idempotent: a repeat is lent another batch. */
#define lease_rule_answer lease_rule_answer_shipped
#include "assign/lease_rules.c"
#undef lease_rule_answer

enum lease_answer lease_rule_answer(bool answered, uint64_t last_id, uint64_t id);

enum lease_answer lease_rule_answer(bool answered, uint64_t last_id, uint64_t id)
{
	enum lease_answer shipped = lease_rule_answer_shipped(answered, last_id, id);
	return shipped == LEASE_ANSWER_SAME ? LEASE_ANSWER_NEW : shipped;
}
