/* What the commands of warmcastctl share. */
#ifndef CTL_COMMON_H
#define CTL_COMMON_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/* CLOCK_MONOTONIC. */
uint64_t ctl_now_ms(void);
/* Says one line; returns CTL_FAILED (ctl/commands.h). */
int ctl_failed(const char *error, FILE *errors);
void ctl_print_json(const json_t *said, FILE *out);

#endif
