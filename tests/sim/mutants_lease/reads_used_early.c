/* CLOSE tells how many were taken a moment before the last could be. */
#define lease_slots_withdraw lease_slots_withdraw_shipped
#include "assign/lease_slots.c"
#undef lease_slots_withdraw

uint32_t lease_slots_withdraw(struct lease_slots *s, uint32_t slot);

uint32_t lease_slots_withdraw(struct lease_slots *s, uint32_t slot)
{
	uint32_t used = lease_slots_withdraw_shipped(s, slot);
	return used > 0 ? used - 1 : 0;
}
