// SPDX-License-Identifier: BSD-3-Clause
#ifndef VARLINK_INTERFACES_H
#define VARLINK_INTERFACES_H

/* The texts of doc/io.fancap.varlink and doc/org.varlink.service.varlink, put into C by varlink/embed.awk. */
extern const char varlink_io_fancap[];
extern const char varlink_org_varlink_service[];

#define FANCAP_INTERFACE "io.fancap"
#define FANCAP_ERROR_INVALID_CONFIGURATION FANCAP_INTERFACE ".InvalidConfiguration"
#define FANCAP_ERROR_INVALID_FILTER FANCAP_INTERFACE ".InvalidFilter"
#define FANCAP_ERROR_INVALID_FILTER FANCAP_INTERFACE ".InvalidFilter"
#define FANCAP_ERROR_NEEDS_RESTART FANCAP_INTERFACE ".NeedsRestart"
#define FANCAP_ERROR_NO_SUCH_INTERFACE FANCAP_INTERFACE ".NoSuchInterface"
#define FANCAP_ERROR_NO_SUCH_SEGMENT FANCAP_INTERFACE ".NoSuchSegment"
#define FANCAP_ERROR_NO_SUCH_WORKER FANCAP_INTERFACE ".NoSuchWorker"
#define FANCAP_ERROR_NO_SUCH_SEGMENT FANCAP_INTERFACE ".NoSuchSegment"
#define FANCAP_ERROR_NO_SUCH_WORKER FANCAP_INTERFACE ".NoSuchWorker"
#define FANCAP_ERROR_PERMISSION_DENIED FANCAP_INTERFACE ".PermissionDenied"
#define FANCAP_ERROR_PROTOCOL FANCAP_INTERFACE ".ProtocolError"
#define FANCAP_ERROR_TIMEOUT FANCAP_INTERFACE ".Timeout"
#define FANCAP_ERROR_TOO_MANY_CLIENTS FANCAP_INTERFACE ".TooManyClients"
#define FANCAP_ERROR_UNAVAILABLE FANCAP_INTERFACE ".Unavailable"

#endif
