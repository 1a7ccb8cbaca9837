// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_MESSAGES_H
#define DAEMON_MESSAGES_H

/*
 * MESSAGE_ID= of what an operator may want to look for: `journalctl MESSAGE_ID=...`. Each has an entry in
 * systemd/fancap.catalog that says what it means and what to do. A new one comes from `systemd-id128 new`; an id is
 * part of the interface and never changes its meaning.
 */
#define MESSAGE_STARTED "8a5989acbdd84bbcaf0564b478fbdf7a"
#define MESSAGE_TAKEN_OVER "3fa515a19fb6474d9cf2e68a515aa727"
#define MESSAGE_STOPPED "b1fd77a858ec459098efa4a12524051b"
#define MESSAGE_WORKER_DIED "89c1b276f24a4bf19ce20a720cf622ff"
#define MESSAGE_WORKER_HUNG "6dc3a037566a425da34d6dc969812236"
#define MESSAGE_WORKER_STARTED "dd71ba8621bd421faf7be2936ddd31fa"
#define MESSAGE_PACKETS_DROPPED "580088d33c9a4a1193f419693079a811"
#define MESSAGE_WRITE_FAILED "8337d491cbc14814a0f50c22b9d8a7d1"
#define MESSAGE_WRITE_RESUMED "2824e8ec9c1449dfadf9034909fb2a07"
#define MESSAGE_LINK_DOWN "06f2148da6204a1095ae69a897cf7016"
#define MESSAGE_LINK_UP "75f2333dc2084dfa9c6f4933cec67821"
#define MESSAGE_LINK_MISSING "d4f99552f7b643e18f275fc6aab85a23"
#define MESSAGE_LINK_BACK "4d36bcebe57a497b9787c8f1d096d7fc"
#define MESSAGE_LINK_RENAMED "a895a30248504120b3e5a12a707d6812"
#define MESSAGE_RELOADED "fa9c5444157b4caa9c870da08cc91472"
#define MESSAGE_RELOAD_REFUSED "3a3e98fcc406404d82276a2bec1cc9c2"
#define MESSAGE_KEEPER_DIED "6c3d2a0f7b0e4f0b9d4ce1b7a8e5f913"
#define MESSAGE_STORAGE_ERROR "c19d6a2e84f24c7f8f51d0b3e97a4d26"
#define MESSAGE_STOPPING "ec7d11c907a34961af29a7b9ecdeeb32"
#define MESSAGE_WORKER_DEGRADED "978e75aef5704b28b4433de9f9ca6363"
#define MESSAGE_FILE_COMPLETE "9ba7d1b8587645579a198b2faba6ab5a"
#define MESSAGE_FILES_REMOVED "ee5d486d68374ea2b22eca99580e7a1b"
#define MESSAGE_CALLED "dc4b801027ec4383a3c6bedcf838efd8"
#define MESSAGE_CALL_DENIED "1544f696a9f64d7caad7fc0882ec23f4"

#endif
