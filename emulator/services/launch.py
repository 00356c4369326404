"""Takes on another user and ties itself to its parent's life, then becomes the given program.

Run as a plain file by `process.spawn`, in an interpreter without site packages: code between fork
and exec would not be safe in a process that has threads, and the death signal must be asked for
after the change of user, which clears it (prctl(2), PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """`launch.py PARENT_PID DEATH_SIGNAL UID:GID|- PROGRAM ARGUMENT…`; a signal of 0 means none."""
    parent, death_signal, account, *command = arguments
    if account != "-":
        uid, gid = (int(part) for part in account.split(":"))
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux" and death_signal != "0":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != int(parent):
            sys.exit("the parent ended before its child began")
    try:
        os.execv(command[0], command)  # noqa: S606 - a fixed list, no shell
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
