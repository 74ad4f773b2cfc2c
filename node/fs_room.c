#include "node/fs_room.h"

#include "base/bytes.h"
#include "base/text.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	OWN_DESCRIPTORS = 256, /* links, logs, indexes, fills, disk reads */
	DESCRIPTORS_EACH = 2,
	MEMORY_EACH_BYTES = 32 << 10,
	LINE_BYTES = 4096,
};

size_t connections_for(uint64_t descriptors, uint64_t memory_bytes)
{
	uint64_t n = FS_ROOM_CONNECTIONS_MAX;
	if (descriptors > 0) {
		uint64_t left = descriptors - descriptors / 4;
		uint64_t fit = left > OWN_DESCRIPTORS ? (left - OWN_DESCRIPTORS) / DESCRIPTORS_EACH : 0;
		n = fit < n ? fit : n;
	}
	if (memory_bytes > 0 && memory_bytes / 2 / MEMORY_EACH_BYTES < n)
		n = memory_bytes / 2 / MEMORY_EACH_BYTES;
	return n > FS_ROOM_CONNECTIONS_MIN ? (size_t)n : FS_ROOM_CONNECTIONS_MIN;
}

/* The first line of that file that starts so, without that and its end; BYTES_NONE when there is none. */
static struct bytes line_of(const char *path, const char *start, char line[LINE_BYTES])
{
	struct bytes found = BYTES_NONE;
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return found;
	while (found.p == NULL && fgets(line, LINE_BYTES, f) != NULL) {
		struct bytes text = bytes_str(line);
		if (!bytes_starts_with(text, bytes_str(start)))
			continue;
		found = bytes_from(text, strlen(start));
		found.n = bytes_index(found, '\n');
	}
	(void)fclose(f);
	return found;
}

/* What its control group (version 2) allows; 0: no bound, or none that is known. */
static uint64_t group_memory_bytes(void)
{
	char group[LINE_BYTES], limit[LINE_BYTES], path[LINE_BYTES + 64];
	uint64_t bytes;
	struct bytes name = line_of("/proc/self/cgroup", "0::", group);
	if (name.p == NULL)
		return 0;
	(void)snprintf(path, sizeof(path), "/sys/fs/cgroup%.*s/memory.max", (int)name.n, (const char *)name.p);
	struct bytes text = line_of(path, "", limit);
	return text.n > 0 && text_u64(text, UINT64_MAX, &bytes) == OK ? bytes : 0; /* or "max" */
}

static uint64_t memory_bytes(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	uint64_t machine = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
	uint64_t group = group_memory_bytes();
	return group > 0 && (machine == 0 || group < machine) ? group : machine;
}

size_t fs_room_connections(void)
{
	struct rlimit l;
	bool known = getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur != RLIM_INFINITY;
	return connections_for(known ? l.rlim_cur : 0, memory_bytes());
}
