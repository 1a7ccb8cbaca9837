// SPDX-License-Identifier: BSD-3-Clause
#ifndef EXPORTER_PAGE_H
#define EXPORTER_PAGE_H

/* Made from exporter/page/ by exporter/page/assemble. */

/** The page: one HTML document with its style and its script. */
extern const char exporter_page[];

/** What it may do: a Content-Security-Policy that names its script and its style by their hashes. */
extern const char exporter_page_policy[];

#endif
