// SPDX-License-Identifier: BSD-3-Clause
#include "replay/route.h"

#include <net/if.h>
#include <string.h>

#define ANY_IPV6 "00000000000000000000000000000000"
#define RTF_REJECT 0x0200u /* linux/route.h; a default route that leads nowhere stands in the table as lo's */

/* Columns: interface, destination, gateway, flags, references, uses, metric, mask, ... */
bool route_is_default_ipv4(FILE *table, const char *interface)
{
	char line[512], name[IF_NAMESIZE];
	unsigned destination, flags, mask;

	while (fgets(line, sizeof(line), table) != NULL) {
		if (sscanf(line, "%15s %x %*x %x %*d %*d %*d %x", name, &destination, &flags, &mask) != 4)
			continue; /* the heading */
		if (destination == 0 && mask == 0 && !(flags & RTF_REJECT) && strcmp(name, interface) == 0)
			return true;
	}
	return false;
}

/* Columns: destination, prefix, source, prefix, next hop, metric, references, uses, flags, interface. */
bool route_is_default_ipv6(FILE *table, const char *interface)
{
	char line[512], name[IF_NAMESIZE], destination[33];
	unsigned prefix, flags;

	while (fgets(line, sizeof(line), table) != NULL) {
		if (sscanf(line, "%32s %x %*s %*x %*s %*x %*x %*x %x %15s", destination, &prefix, &flags, name) != 4)
			continue;
		if (strcmp(destination, ANY_IPV6) == 0 && prefix == 0 && !(flags & RTF_REJECT) &&
		    strcmp(name, interface) == 0)
			return true;
	}
	return false;
}

/* A kernel without the protocol has no such table, and no such route. */
static bool look(const char *path, bool (*is_default)(FILE *, const char *), const char *interface)
{
	FILE *table = fopen(path, "re");
	bool found;

	if (table == NULL)
		return false;
	found = is_default(table, interface);
	fclose(table);
	return found;
}

bool route_is_default(const char *interface)
{
	return look("/proc/net/route", route_is_default_ipv4, interface) ||
	       look("/proc/net/ipv6_route", route_is_default_ipv6, interface);
}
