#include "node/admin/warm_choice.h"

size_t warm_choose(const struct place *p, const bool *able, size_t copies, uint32_t *out)
{
	const struct assign_result *d = &p->decision;
	size_t n = 0;
	for (int holders = 1; holders >= 0; holders--) {
		for (size_t i = 0; i < d->candidates_n && n < copies; i++) {
			uint32_t at = d->candidates[i].node;
			const struct assign_node *known = &p->known[at];
			bool room = known->load < known->capacity || (holders && known->capacity > 0);
			if (able[at] && known->state == ASSIGN_READY && p->nodes[at].holder == holders && room)
				out[n++] = at;
		}
	}
	return n;
}
