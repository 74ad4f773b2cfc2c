/* Every run of an api node numbers its requests from the same number on. */
#define lease_purse_new lease_purse_new_shipped
#include "assign/lease_purse.c"
#undef lease_purse_new

struct lease_purse *lease_purse_new(struct lease_slots *slots, struct incarnation own);

struct lease_purse *lease_purse_new(struct lease_slots *slots, struct incarnation own)
{
	return lease_purse_new_shipped(slots, (struct incarnation){ own.count, 0 });
}
