/* What may stand where somebody pressed Tab: for `warmcastctl --complete LINE`, which shells ask.
 *
 * There is one list of commands and options, which is what --help prints; this reads it. Names of nodes come
 * from a node, which has COMPLETE_ASK_MS to answer: without an answer there are none.
 */
#ifndef CTL_COMPLETE_H
#define CTL_COMPLETE_H

#include <stdio.h>

enum { COMPLETE_ASK_MS = 1000 };

/* `line` is what stands before the cursor, the program's name first; `usage` prints the program's help, and
 * `admin` is whom to ask when the line does not say. Prints the candidates for the last word, one a line. */
void complete_line(const char *line, void (*usage)(FILE *out), const char *admin, FILE *out);

#endif
