// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_MESSAGES_H
#define DAEMON_MESSAGES_H

/*
 * MESSAGE_ID= of what an operator may want to look for: `journalctl MESSAGE_ID=...`. Each has an entry in
 * systemd/fancap.catalog that says what it means and what to do.
 */
#define MESSAGE_STARTED "4d0dc8d4f4ed4ee1a4a3b8b1c1a6f0d1"
#define MESSAGE_STOPPED "a5a2c7f1a6ab4b0f9f7c1f0e6f2c8e02"
#define MESSAGE_WORKER_DIED "0f3b1f7f3f0a4f8c8a0d5d6c2e9b7a03"
#define MESSAGE_WORKER_STARTED "c6d5b2f86b814a5f8c2f4a1de0937b04"
#define MESSAGE_PACKETS_DROPPED "7b9fb4de1f864a2e8f0c3ad8f2b15c05"
#define MESSAGE_WRITE_FAILED "e1ab7c2f90be4c63b6b2d0c1a7f64d06"
#define MESSAGE_WRITE_RESUMED "3c5d7e9fb1a24c8d9e0f6a7b8c9d1e07"
#define MESSAGE_LINK_DOWN "9a8b7c6d5e4f4a3b8c2d1e0f9a8b7c08"
#define MESSAGE_RELOADED "58d3c1e7b2a94f60a1c8e7d6f5b4a309"
#define MESSAGE_RELOAD_REFUSED "d2e4f6a8c0b14d3e9f5a7b6c8d0e2f0a"

#endif
