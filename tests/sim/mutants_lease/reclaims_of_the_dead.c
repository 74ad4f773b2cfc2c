/* On hearing that an api node died (here: that it runs anew) its places are taken back at once. */
#define lease_book_ask lease_book_ask_shipped
#include "assign/lease_book.c"
#undef lease_book_ask

bool lease_book_ask(struct lease_book *b, uint64_t now_ms, const struct lease_asker *asker, uint64_t req_id,
    uint32_t want, struct lease_grant *grant);

bool lease_book_ask(struct lease_book *b, uint64_t now_ms, const struct lease_asker *asker, uint64_t req_id,
    uint32_t want, struct lease_grant *grant)
{
	size_t at = asker_at(b, &asker->api);
	bool known = at < b->askers_n && node_id_eq(&b->askers[at]->who.api, &asker->api);
	if (known && incarnation_cmp(asker->incarnation, b->askers[at]->who.incarnation) > 0) {
		for (size_t i = 0; i < LEASE_BATCHES_MAX; i++)
			if (b->batches[i] != NULL && b->batches[i]->asker == b->askers[at]) {
				b->counts.expired += b->batches[i]->outstanding;
				give_back(b, b->batches[i], b->batches[i]->outstanding);
			}
	}
	return lease_book_ask_shipped(b, now_ms, asker, req_id, want, grant);
}
