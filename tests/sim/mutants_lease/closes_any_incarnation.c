/* CLOSE is taken for what it says of a batch of a former run, whose numbers the new book uses again. */
#define lease_book_close lease_book_close_shipped
#include "assign/lease_book.c"
#undef lease_book_close

void lease_book_close(
    struct lease_book *b, uint64_t now_ms, const struct node_id *api, const struct lease_close *c);

void lease_book_close(
    struct lease_book *b, uint64_t now_ms, const struct node_id *api, const struct lease_close *c)
{
	lease_book_close_shipped(
	    b, now_ms, api, &(struct lease_close){ b->config.incarnation, c->batch, c->used });
}
