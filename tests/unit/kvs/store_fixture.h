/* A data_dir in a folder of its own, short words for operations, and a stand-in for the core that
 * records what a start feeds it.
 */
#ifndef TESTS_UNIT_KVS_STORE_FIXTURE_H
#define TESTS_UNIT_KVS_STORE_FIXTURE_H

#include "kvs/lmdb_reader.h"
#include "kvs/lmdb_store.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { LOADED_ROWS = 1024, LOADED_ENTRIES = 4096 };

/* The stand-in. */
struct kvs {
	struct arena arena;
	struct kvs_row_meta rows[LOADED_ROWS];
	size_t rows_n;
	struct {
		struct node_id owner;
		enum rpc_stream stream;
		struct rpc_entry e;
	} entries[LOADED_ENTRIES];
	size_t entries_n;
	const struct node_id *refuse; /* entries of this owner do not fit together */
};

struct fixture {
	char folder[256];
	const char *boot_id;
	size_t map_bytes;
	unsigned hash_bits;
	struct kvs_store *store;
	struct kvs_store_identity id;
	struct kvs_store_report report;
	struct kvs *loaded; /* by the last load() */
	struct arena arena; /* keys and values of the test */
};

/* A cmocka setup and teardown; the folder does not exist yet. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

enum err open_store(struct fixture *f);
void reopen(struct fixture *f); /* closes what is open; asserts OK */
void close_store(struct fixture *f);
/* Into a fresh stand-in. */
void load(struct fixture *f);
const struct kvs_row_meta *loaded_row(const struct fixture *f, struct node_id owner, enum rpc_stream s);
/* The entry with that key, or NULL. */
const struct rpc_entry *loaded_entry(
    const struct fixture *f, struct node_id owner, enum rpc_stream s, const char *key);
size_t loaded_entries(const struct fixture *f, struct node_id owner, enum rpc_stream s);

struct node_id node(unsigned i);
struct kvs_op op_row(
    struct fixture *f, struct node_id owner, enum rpc_stream s, struct incarnation i, uint64_t have);
struct kvs_op op_put(
    struct node_id owner, enum rpc_stream s, uint64_t version, const char *key, const char *value);
struct kvs_op op_delete(struct node_id owner, enum rpc_stream s, uint64_t version, const char *key);
struct kvs_op op_drop_row(struct node_id owner, enum rpc_stream s);
struct kvs_op op_drop_entry(struct node_id owner, enum rpc_stream s, const char *key);
/* A location of origin "main". */
struct kvs_op op_location(struct fixture *f, struct node_id owner, uint64_t version, const char *content);
struct kvs_op op_no_location(struct fixture *f, struct node_id owner, uint64_t version, const char *content);
/* One group of one batch. */
enum err store(struct fixture *f, const struct kvs_op *ops, size_t n);
#define STORE(f, ...)                                                                             \
	assert_int_equal(store(f, (const struct kvs_op[]){ __VA_ARGS__ },                             \
	                     sizeof((const struct kvs_op[]){ __VA_ARGS__ }) / sizeof(struct kvs_op)), \
	    OK)

/* folder/NAME; valid until the next call but three. */
const char *path_in(const struct fixture *f, const char *name);
bool exists(const char *path);

#endif
