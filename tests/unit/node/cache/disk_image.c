#include "disk_image.h"

#include "base/check.h"
#include "base/prng.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR_BYTES = 512, WHOLE_PATH_MAX = 512 };

/* -- trees in memory -- */

static struct name *find(const struct image *i, const char *path)
{
	for (size_t n = 0; n < i->names_n; n++)
		if (strcmp(i->names[n].path, path) == 0)
			return &i->names[n];
	return NULL;
}

static void put(struct image *i, const char *path, int inode)
{
	i->names = realloc(i->names, (i->names_n + 1) * sizeof(*i->names));
	CHECK(i->names != NULL);
	struct name *n = &i->names[i->names_n++];
	(void)snprintf(n->path, sizeof(n->path), "%s", path);
	n->inode = inode;
}

/* The others keep their order: folders stand before what is in them. */
static void drop(struct image *i, struct name *n)
{
	size_t at = (size_t)(n - i->names);
	i->names_n--;
	memmove(n, n + 1, (i->names_n - at) * sizeof(*n));
}

static struct inode *inode_at(struct image *i, int number)
{
	CHECK(number >= 0);
	if ((size_t)number >= i->inodes_n) {
		size_t n = (size_t)number + 1;
		i->inodes = realloc(i->inodes, n * sizeof(*i->inodes));
		CHECK(i->inodes != NULL);
		memset(i->inodes + i->inodes_n, 0, (n - i->inodes_n) * sizeof(*i->inodes));
		i->inodes_n = n;
	}
	return &i->inodes[number];
}

static void resize(struct inode *f, size_t n)
{
	if (n > f->n) {
		f->data = realloc(f->data, n);
		CHECK(f->data != NULL);
		memset(f->data + f->n, 0, n - f->n);
	}
	f->n = n;
}

static struct image copy_of(const struct image *from)
{
	struct image i = { 0 };
	for (size_t n = 0; n < from->names_n; n++)
		put(&i, from->names[n].path, from->names[n].inode);
	for (size_t n = 0; n < from->inodes_n; n++) {
		struct inode *f = inode_at(&i, (int)n);
		resize(f, from->inodes[n].n);
		if (f->n > 0)
			memcpy(f->data, from->inodes[n].data, f->n);
	}
	return i;
}

void image_free(struct image *i)
{
	for (size_t n = 0; n < i->inodes_n; n++)
		free(i->inodes[n].data);
	free(i->inodes);
	free(i->names);
	memset(i, 0, sizeof(*i));
}

/* -- trees on disk -- */

static void load_file(struct image *i, const char *path, int number)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	struct inode *f = inode_at(i, number);
	resize(f, (size_t)st.st_size);
	CHECK(pread(fd, f->data, f->n, 0) == (ssize_t)f->n);
	(void)close(fd);
}

static void join(char out[DISK_PATH_MAX], const char *folder, const char *name)
{
	int n = snprintf(out, DISK_PATH_MAX, "%.60s%s%.58s", folder, folder[0] != 0 ? "/" : "", name);
	CHECK(n > 0 && n < DISK_PATH_MAX);
}

static void load_folder(struct image *i, const char *root, const char *name)
{
	char path[WHOLE_PATH_MAX];
	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	DIR *dir = opendir(path);
	CHECK(dir != NULL);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		char below[DISK_PATH_MAX];
		struct stat st;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		join(below, name, e->d_name);
		(void)snprintf(path, sizeof(path), "%s/%s", root, below);
		CHECK(lstat(path, &st) == 0);
		int number = S_ISDIR(st.st_mode) ? FOLDER : (int)i->inodes_n;
		put(i, below, number);
		if (number == FOLDER)
			load_folder(i, root, below);
		else
			load_file(i, path, number);
	}
	(void)closedir(dir);
}

struct image image_load(const char *folder)
{
	struct image i = { 0 };
	load_folder(&i, folder, "");
	return i;
}

/* Removes files, and the folders that the image does not have: the others are many, and stay as they are. */
static void clear(const struct image *i, const char *root, const char *name)
{
	char path[WHOLE_PATH_MAX];
	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	DIR *dir = opendir(path);
	CHECK(dir != NULL);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		char below[DISK_PATH_MAX];
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		join(below, name, e->d_name);
		if (e->d_type == DT_DIR) {
			const struct name *kept = find(i, below);
			clear(i, root, below);
			CHECK((kept != NULL && kept->inode == FOLDER) ||
			      unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR) == 0);
		} else {
			CHECK(unlinkat(dirfd(dir), e->d_name, 0) == 0);
		}
	}
	(void)closedir(dir);
}

void image_store(const struct image *i, const char *folder)
{
	clear(i, folder, "");
	for (size_t n = 0; n < i->names_n; n++) {
		char path[WHOLE_PATH_MAX];
		(void)snprintf(path, sizeof(path), "%s/%s", folder, i->names[n].path);
		if (i->names[n].inode == FOLDER) {
			CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
			continue;
		}
		const struct inode *f = &i->inodes[i->names[n].inode];
		int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		CHECK(fd >= 0);
		CHECK(f->n == 0 || pwrite(fd, f->data, f->n, 0) == (ssize_t)f->n);
		(void)close(fd);
	}
}

const char *image_differs(const struct image *a, const struct image *b, const char *skip)
{
	static char why[DISK_PATH_MAX + 40];
	if (a->names_n != b->names_n)
		return "there are more names in the one";
	for (size_t n = 0; n < a->names_n; n++) {
		const struct name *x = &a->names[n], *y = find(b, x->path);
		size_t length = strlen(x->path), skip_n = strlen(skip);
		if (y == NULL || (x->inode == FOLDER) != (y->inode == FOLDER)) {
			(void)snprintf(why, sizeof(why), "%s: only in the one", x->path);
			return why;
		}
		if (x->inode == FOLDER || (length >= skip_n && strcmp(x->path + length - skip_n, skip) == 0))
			continue;
		const struct inode *f = &a->inodes[x->inode], *g = &b->inodes[y->inode];
		if (f->n != g->n || (f->n > 0 && memcmp(f->data, g->data, f->n) != 0)) {
			(void)snprintf(why, sizeof(why), "%s: other bytes", x->path);
			return why;
		}
	}
	return NULL;
}

/* -- what operations do -- */

static bool is_in(const char *path, const char *folder)
{
	size_t n = strlen(folder);
	return strncmp(path, folder, n) == 0 && path[n] == '/';
}

/* A name in a folder that was lost is lost. */
static bool has_folder(const struct image *i, const char *path)
{
	char folder[DISK_PATH_MAX];
	const char *slash = strrchr(path, '/');
	if (slash == NULL)
		return true;
	(void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	return find(i, folder) != NULL;
}

static void move(struct image *i, const struct op *o)
{
	struct name *from = find(i, o->path);
	if (from == NULL || !has_folder(i, o->to))
		return;
	struct name moved = *from;
	drop(i, from);
	struct name *there = find(i, o->to);
	if (there != NULL)
		drop(i, there);
	put(i, o->to, moved.inode);
	for (size_t n = 0, all = i->names_n; moved.inode == FOLDER && n < all; n++) {
		if (!is_in(i->names[n].path, o->path))
			continue;
		char to[2 * DISK_PATH_MAX];
		(void)snprintf(to, sizeof(to), "%s%s", o->to, i->names[n].path + strlen(o->path));
		int inode = i->names[n].inode;
		drop(i, &i->names[n--]);
		all--;
		put(i, to, inode);
	}
}

static void do_names(struct image *i, const struct op *o)
{
	struct name *n = find(i, o->path);
	if (o->kind == OP_RENAME)
		move(i, o);
	else if (o->kind == OP_UNLINK && n != NULL)
		drop(i, n);
	else if (o->kind == OP_MKDIR && n == NULL && has_folder(i, o->path))
		put(i, o->path, FOLDER);
	else if (o->kind == OP_CREATE && n == NULL && has_folder(i, o->path)) {
		(void)inode_at(i, o->inode);
		put(i, o->path, o->inode);
	}
}

static bool is_of_data(const struct op *o)
{
	return o->kind == OP_WRITE || o->kind == OP_RESIZE;
}

static void do_data(struct image *i, const struct op *o)
{
	struct inode *f = inode_at(i, o->inode);
	if (o->kind == OP_RESIZE) {
		resize(f, o->n);
		return;
	}
	if (o->at + o->n > f->n)
		resize(f, o->at + o->n);
	memcpy(f->data + o->at, o->data, o->n);
}

static void do_op(struct image *i, const struct op *o)
{
	if (is_of_data(o))
		do_data(i, o);
	else
		do_names(i, o);
}

struct image image_whole(const struct recording *r, size_t ops)
{
	struct image i = copy_of(&r->base);
	for (size_t n = 0; n < ops; n++)
		do_op(&i, &r->ops[n]);
	return i;
}

/* -- power cuts -- */

/* Some sectors of a write; a file may have grown for those that did not come. */
static void tear(struct image *i, const struct op *o, struct prng *p)
{
	struct inode *f = inode_at(i, o->inode);
	if (o->kind == OP_RESIZE) {
		do_data(i, o);
		return;
	}
	if (prng_chance(p, 500) && o->at + o->n > f->n)
		resize(f, o->at + o->n);
	for (uint64_t at = o->at, next; at < o->at + o->n; at = next) {
		next = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
		if (next > o->at + o->n)
			next = o->at + o->n;
		if (prng_chance(p, 500))
			continue;
		struct op part = *o;
		part.at = at;
		part.n = next - at;
		part.data = o->data + (at - o->at);
		do_data(i, &part);
	}
}

enum cut { NOTHING_MORE, NAMES_ONLY, NAMES_IN_ORDER, ANYTHING, CUTS };

static void do_some(
    struct image *i, const struct recording *r, const size_t *pending, size_t n, struct prng *p)
{
	enum cut cut = (enum cut)prng_below(p, CUTS);
	size_t names_end = cut == NAMES_IN_ORDER ? (size_t)prng_below(p, n + 1) : n;
	for (size_t at = 0; at < n && cut != NOTHING_MORE; at++) {
		const struct op *o = &r->ops[pending[at]];
		bool half = prng_chance(p, 500);
		if (!is_of_data(o)) {
			if (cut == NAMES_ONLY || (cut == NAMES_IN_ORDER ? at < names_end : half))
				do_names(i, o);
		} else if (cut != NAMES_ONLY && half) {
			if (prng_chance(p, 500))
				do_data(i, o);
			else
				tear(i, o, p);
		}
	}
}

static bool is_synced_by(const struct op *o, const struct op *sync)
{
	return sync->kind == OP_SYNC_ALL || (is_of_data(o) && o->inode == sync->inode);
}

struct image image_cut(const struct recording *r, size_t ops, uint64_t seed)
{
	struct image i = copy_of(&r->base);
	struct prng p;
	size_t *pending = calloc(ops + 1, sizeof(*pending)), n = 0;
	CHECK(pending != NULL);
	prng_init(&p, seed);
	for (size_t at = 0; at < ops; at++) {
		const struct op *o = &r->ops[at];
		if (o->kind == OP_NOTE)
			continue;
		if (o->kind != OP_SYNC_ALL && o->kind != OP_SYNC_FILE) {
			pending[n++] = at;
			continue;
		}
		size_t left = 0;
		for (size_t k = 0; k < n; k++) {
			if (is_synced_by(&r->ops[pending[k]], o))
				do_op(&i, &r->ops[pending[k]]);
			else
				pending[left++] = pending[k];
		}
		n = left;
	}
	do_some(&i, r, pending, n, &p);
	free(pending);
	return i;
}
