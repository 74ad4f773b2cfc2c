/* Trees of files in memory, what recorded operations make of them (fs_recorder.h), and what a power cut
 * leaves.
 */
#ifndef TESTS_UNIT_NODE_CACHE_DISK_IMAGE_H
#define TESTS_UNIT_NODE_CACHE_DISK_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DISK_PATH_MAX = 120 };

enum op_kind {
	OP_CREATE, /* a file, empty */
	OP_MKDIR,
	OP_WRITE,
	OP_RESIZE,
	OP_RENAME,
	OP_UNLINK,
	OP_SYNC_FILE, /* its data, not its name */
	OP_SYNC_ALL,
	OP_NOTE, /* of the test's own */
};

struct op {
	enum op_kind kind;
	int inode;                                   /* of CREATE, WRITE, RESIZE, SYNC_FILE */
	char path[DISK_PATH_MAX], to[DISK_PATH_MAX]; /* below the folder */
	uint64_t at, n;                              /* of WRITE; n alone of RESIZE; what a NOTE says */
	uint8_t *data;
};

struct inode {
	uint8_t *data;
	size_t n;
};

struct name {
	char path[DISK_PATH_MAX];
	int inode; /* FOLDER: it is one */
};
enum { FOLDER = -1 };

/* A tree of files in memory. */
struct image {
	struct inode *inodes;
	size_t inodes_n;
	struct name *names; /* folders before what is in them */
	size_t names_n;
};

struct recording {
	struct image base; /* durable when the recording began */
	struct op *ops;
	size_t ops_n;
};

struct image image_load(const char *folder);
void image_free(struct image *i);
/* The folder becomes like it. */
void image_store(const struct image *i, const char *folder);
/* What the first `ops` operations leave when nothing is lost. */
struct image image_whole(const struct recording *r, size_t ops);
/* What they leave after a power cut. What was not synced may be there or not, in parts, or as zeros: `seed`
 * decides. */
struct image image_cut(const struct recording *r, size_t ops, uint64_t seed);
/* Why they differ, NULL when they do not; `skip` ends the names that do not matter. */
const char *image_differs(const struct image *a, const struct image *b, const char *skip);

#endif
