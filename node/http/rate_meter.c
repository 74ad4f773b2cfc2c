#include "node/http/rate_meter.h"

enum { WINDOW_MS = 1000 };

void rate_meter_feed(struct rate_meter *m, uint64_t now_ms, uint64_t count, uint64_t bound_per_s)
{
	if (m->at_ms == 0 || now_ms < m->at_ms || count < m->count) {
		m->at_ms = now_ms;
		m->count = count;
		return;
	}
	uint64_t elapsed_ms = now_ms - m->at_ms;
	if (elapsed_ms < RATE_METER_STEP_MS)
		return;
	double now_per_s = (double)(count - m->count) * 1000 / (double)elapsed_ms;
	double weight = elapsed_ms < WINDOW_MS ? (double)elapsed_ms / WINDOW_MS : 1;
	m->per_s = (uint64_t)((double)m->per_s * (1 - weight) + now_per_s * weight);
	m->at_ms = now_ms;
	m->count = count;
	if (bound_per_s == 0)
		m->over = false;
	else if (m->per_s > bound_per_s)
		m->over = true;
	else if (m->per_s <= bound_per_s - bound_per_s / 20)
		m->over = false;
}
