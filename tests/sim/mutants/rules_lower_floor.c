/* R4 broken: a row being built at a floor takes frames from a sender below it. */
#define kvs_rule_floor kvs_rule_floor_shipped
#include "kvs/rules.c"
#undef kvs_rule_floor

enum kvs_floor_verdict kvs_rule_floor(uint64_t have, uint64_t base, uint64_t floor);

enum kvs_floor_verdict kvs_rule_floor(uint64_t have, uint64_t base, uint64_t floor)
{
	enum kvs_floor_verdict v = kvs_rule_floor_shipped(have, base, floor);
	return v == KVS_FLOOR_REFUSE ? KVS_FLOOR_FITS : v;
}
