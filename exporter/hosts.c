// SPDX-License-Identifier: BSD-3-Clause
#include "exporter/hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_CHARS 253 /* of a DNS name */
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
#define IPV6_CHARS "[]:." NAME_CHARS

int hosts_add(struct hosts *hosts, const char *name, struct fancap_error *err)
{
	size_t len = strlen(name);

	if (hosts->n == HOSTS_MAX) {
		fancap_error_set(err, "--allow-host: there are more than %d names", HOSTS_MAX);
		return -EINVAL;
	}
	if (len == 0 || len > NAME_MAX_CHARS || strspn(name, name[0] == '[' ? IPV6_CHARS : NAME_CHARS) != len) {
		fancap_error_set(err, "--allow-host wants a name or an address without port (IPv6 in brackets), not '%.80s'",
				 name);
		return -EINVAL;
	}
	hosts->names[hosts->n++] = name;
	return 0;
}

/* As IPv6, so that both families compare alike. */
static struct in6_addr v4_mapped(struct in_addr v4)
{
	struct in6_addr mapped = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	memcpy(&mapped.s6_addr[12], &v4, sizeof(v4));
	return mapped;
}

/* @return whether it is an IP address */
static bool address_of(const struct sockaddr *address, struct in6_addr *ret)
{
	switch (address->sa_family) {
	case AF_INET6:
		*ret = ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
		return true;
	case AF_INET:
		*ret = v4_mapped(((const struct sockaddr_in *)(const void *)address)->sin_addr);
		return true;
	default:
		return false;
	}
}

/* "192.0.2.1" or "[2001:db8::1]". */
static bool literal_parse(const char *host, struct in6_addr *ret)
{
	char text[INET6_ADDRSTRLEN] = "";
	size_t len = strlen(host);
	struct in_addr v4;

	if (inet_pton(AF_INET, host, &v4) == 1) {
		*ret = v4_mapped(v4);
		return true;
	}
	if (len < 4 || len - 2 >= sizeof(text) || host[0] != '[' || host[len - 1] != ']')
		return false;
	memcpy(text, host + 1, len - 2);
	return inet_pton(AF_INET6, text, ret) == 1;
}

static bool is_loopback(const struct in6_addr *address)
{
	return IN6_IS_ADDR_LOOPBACK(address) || (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

bool hosts_allow(const struct hosts *hosts, const char *host, const struct sockaddr *local)
{
	struct in6_addr ours, named;

	for (size_t i = 0; i < hosts->n; i++)
		if (!strcasecmp(hosts->names[i], host))
			return true;
	if (!address_of(local, &ours))
		return false;
	if (!strcasecmp(host, "localhost"))
		return is_loopback(&ours);
	return literal_parse(host, &named) && !memcmp(&named, &ours, sizeof(ours));
}
