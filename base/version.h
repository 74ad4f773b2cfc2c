/* What this build is: the version of its package (scripts/package --version), or else the project's. Nodes
 * tell it each other, and operators read it. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

extern const char warmcast_version[];

#endif
