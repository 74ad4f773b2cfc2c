/* Memory of replicas that begin as copies of one.
 *
 * What a replica of a great cluster holds is what all others hold: 10,000 of them would be 10,000 times the
 * same 13 MB. Here each has an address range of its own, a private mapping of one file, so that the kernel
 * copies the pages which it writes to and no others. A replica is full of pointers, so it must always be seen
 * at one address: scale_enter moves its range there, and the one that was there back home. Moving a range
 * moves entries of page tables, not pages.
 *
 * All that the core allocates between scale_enter and scale_leave comes from the range (the linker sends
 * malloc and its kin here), by an allocator whose state lies in the range as well. What was there before the
 * copies were made and is freed stays as it is: to use it again would copy its page. */
#include "base/check.h"
#include "scale.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);
char *__wrap_strdup(const char *s);

/* A range is as large as one entry of a page table's third level, which is moved at once. */
static const size_t RANGE_BYTES = (size_t)1 << 30;
static const uintptr_t PLACE = (uintptr_t)0x200000000000, HOMES = (uintptr_t)0x210000000000;

enum { GRAIN = 16, SMALL_BYTES = 512, SMALL_CLASSES = SMALL_BYTES / GRAIN, CLASSES = 128, STEPS = 4 };

/* At the beginning of a range. */
struct range {
	size_t used;   /* bytes, this among them */
	size_t shared; /* of those, what the copies began with */
	void *free_of[CLASSES];
};

struct chunk {
	uint64_t class;
	uint8_t data[] __attribute__((aligned(GRAIN)));
};

static struct range *const range = (struct range *)PLACE;
static bool is_inside;

/* -- the allocator -- */

/* Small ones by 16 bytes; then four steps to each doubling. */
static size_t class_of(size_t bytes, size_t *class_bytes)
{
	if (bytes <= SMALL_BYTES) {
		size_t class = bytes == 0 ? 0 : (bytes - 1) / GRAIN;
		*class_bytes = (class + 1) * GRAIN;
		return class;
	}
	size_t class = SMALL_CLASSES, base = SMALL_BYTES;
	for (; base * 2 < bytes; base *= 2)
		class += STEPS;
	size_t step = base / STEPS, over = (bytes - base + step - 1) / step;
	*class_bytes = base + over * step;
	class += over - 1;
	CHECK(class < CLASSES);
	return class;
}

static struct chunk *chunk_of(void *p)
{
	return (struct chunk *)(void *)((uint8_t *)p - offsetof(struct chunk, data));
}

static bool is_ours(const void *p)
{
	return (uintptr_t)p >= PLACE && (uintptr_t)p < PLACE + RANGE_BYTES;
}

static void *take(size_t bytes)
{
	size_t class_bytes, class = class_of(bytes, &class_bytes);
	void *p = range->free_of[class];
	if (p != NULL) {
		memcpy(&range->free_of[class], p, sizeof(p));
		return p;
	}
	size_t all = sizeof(struct chunk) + class_bytes;
	CHECK(range->used + all <= RANGE_BYTES);
	struct chunk *c = (struct chunk *)(void *)((uint8_t *)range + range->used);
	range->used += all;
	c->class = class;
	return c->data;
}

static void give_back(void *p)
{
	if ((uintptr_t)p < PLACE + range->shared)
		return;
	void **first = &range->free_of[chunk_of(p)->class];
	memcpy(p, first, sizeof(*first));
	*first = p;
}

static size_t bytes_of_class(size_t class)
{
	if (class < SMALL_CLASSES)
		return (class + 1) * GRAIN;
	size_t base = (size_t)SMALL_BYTES << ((class - SMALL_CLASSES) / STEPS);
	return base + ((class - SMALL_CLASSES) % STEPS + 1) * (base / STEPS);
}

void *__wrap_malloc(size_t n)
{
	return is_inside ? take(n) : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t size)
{
	if (!is_inside)
		return __real_calloc(count, size);
	size_t n;
	CHECK(!__builtin_mul_overflow(count, size, &n));
	return memset(take(n), 0, n);
}

void *__wrap_realloc(void *p, size_t n)
{
	if (p == NULL)
		return __wrap_malloc(n);
	if (!is_ours(p))
		return __real_realloc(p, n);
	size_t had = bytes_of_class(chunk_of(p)->class);
	if (n <= had)
		return p;
	void *grown = take(n);
	memcpy(grown, p, had);
	give_back(p);
	return grown;
}

void __wrap_free(void *p)
{
	if (is_ours(p))
		give_back(p);
	else
		__real_free(p);
}

char *__wrap_strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = __wrap_malloc(n);
	return copy == NULL ? NULL : memcpy(copy, s, n);
}

/* -- ranges -- */

static void *home_of(size_t node)
{
	return (void *)(HOMES + node * RANGE_BYTES);
}

static void move(void *from, void *to)
{
	CHECK(mremap(from, RANGE_BYTES, RANGE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
}

static void send_home(struct scale *s)
{
	if (s->inside != SIZE_MAX)
		move(range, home_of(s->inside));
	s->inside = SIZE_MAX;
}

void scale_enter(struct scale *s, size_t node)
{
	if (s->shared_fd < 0)
		return;
	if (s->inside != node) {
		send_home(s);
		move(home_of(node), range);
		s->inside = node;
	}
	is_inside = true;
}

void scale_leave(struct scale *s)
{
	(void)s;
	is_inside = false;
}

void scale_memory_begin(struct scale *s)
{
	s->shared_fd = memfd_create("replica", MFD_CLOEXEC);
	CHECK(s->shared_fd >= 0 && ftruncate(s->shared_fd, (off_t)RANGE_BYTES) == 0);
	void *p =
	    mmap(range, RANGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, s->shared_fd, 0);
	CHECK(p == range);
	range->used = (sizeof(*range) + GRAIN - 1) / GRAIN * GRAIN;
	is_inside = true;
}

void scale_memory_end(struct scale *s)
{
	(void)s;
	is_inside = false;
	enum { PAGE = 4096 };
	range->used = range->shared = (range->used + PAGE - 1) / PAGE * PAGE;
	memset(range->free_of, 0, sizeof(range->free_of));
	CHECK(munmap(range, RANGE_BYTES) == 0);
}

void scale_memory_adopt(struct scale *s, size_t node)
{
	void *home = home_of(node);
	int flags = MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
	CHECK(mmap(home, RANGE_BYTES, PROT_READ | PROT_WRITE, flags, s->shared_fd, 0) == home);
}

void scale_memory_drop(struct scale *s, size_t node)
{
	if (s->inside == node)
		send_home(s);
	CHECK(munmap(home_of(node), RANGE_BYTES) == 0);
}

void scale_memory_fini(struct scale *s)
{
	if (s->shared_fd < 0)
		return;
	send_home(s);
	for (size_t i = 0; i < s->o.nodes; i++)
		if (s->nodes[i].k != NULL)
			scale_memory_drop(s, i);
	close(s->shared_fd);
}
