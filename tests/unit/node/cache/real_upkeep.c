/* The upkeep thread as it ships, under other names: fs_kill_test.c decides which process has it. */
#define cache_upkeep_start real_upkeep_start
#define cache_upkeep_stop real_upkeep_stop

#include "node/cache/fs_upkeep.c"
