#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""pass_sockets.py SOCKET... -- COMMAND...: run a command with sockets as a service manager passes them (sd_listen_fds).

SOCKET is NAME:KIND:PATH; KIND is stream, seqpacket, dgram, or bound (a stream socket that does not listen).
"""
import os
import socket
import sys

FIRST = 3
KINDS = {"stream": socket.SOCK_STREAM, "bound": socket.SOCK_STREAM, "seqpacket": socket.SOCK_SEQPACKET,
         "dgram": socket.SOCK_DGRAM}


def main(words: list[str]) -> None:
    end = words.index("--")
    names = []
    for number, word in enumerate(words[:end]):
        name, kind, path = word.split(":")
        sock = socket.socket(socket.AF_UNIX, KINDS[kind])
        sock.bind(path)
        if kind in ("stream", "seqpacket"):
            sock.listen()
        fd = sock.detach()
        if fd != FIRST + number:
            os.dup2(fd, FIRST + number)
            os.close(fd)
        os.set_inheritable(FIRST + number, True)
        names.append(name)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(end), LISTEN_FDNAMES=":".join(names))
    os.execv(words[end + 1], words[end + 1:])


main(sys.argv[1:])
