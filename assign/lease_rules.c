#include "assign/lease_rules.h"

enum lease_answer lease_rule_answer(bool answered, uint64_t last_id, uint64_t id)
{
	if (!answered || id > last_id)
		return LEASE_ANSWER_NEW;
	return id == last_id ? LEASE_ANSWER_SAME : LEASE_ANSWER_NONE;
}

uint64_t lease_rule_close_at(uint64_t now_ms, uint32_t life_ms, uint32_t start_within_ms)
{
	return now_ms + life_ms + start_within_ms;
}

uint32_t lease_rule_told_life(uint32_t life_ms, uint32_t start_within_ms)
{
	uint32_t drift_ms = start_within_ms / 50;
	return drift_ms < life_ms ? life_ms - drift_ms : 0;
}

bool lease_rule_admits(uint32_t index, uint32_t limit, bool came)
{
	return index < limit && !came;
}

bool lease_rule_admits_placeless(uint32_t active, uint32_t outstanding, uint32_t capacity)
{
	return (uint64_t)active + outstanding < capacity;
}

bool lease_rule_accepts(bool pending, uint64_t pending_id, uint64_t id)
{
	return pending && id == pending_id;
}

uint64_t lease_rule_until(uint64_t first_sent_ms, uint64_t now_ms, uint32_t told_life_ms)
{
	(void)now_ms;
	return first_sent_ms + (uint64_t)told_life_ms * 98 / 100;
}
