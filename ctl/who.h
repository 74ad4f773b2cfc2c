/* Who gives an order: "user@host". */
#ifndef CTL_WHO_H
#define CTL_WHO_H

enum { WHO_MAX = 64 }; /* characters; what a node takes (RPC_OPERATOR_MAX) */

/* $WARMCAST_OPERATOR; else who called sudo, else whose process this is, and this host's name. Other
 * characters than letters, digits and . _ @ + - become _, and what is too long is cut. */
void who_gives_orders(char out[WHO_MAX + 1]);

#endif
