"""The user that a server runs as when root starts it: PostgreSQL refuses to be root."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

from emulator.services.process import Account, run

_OWN = "paywright"


def for_data(folder: Path, *, may_create: bool = True) -> Account | None:
    """None unless root: then the owner of the folder, if it has one, else an unprivileged user.

    The unprivileged user is `postgres` if the system has it, else a system user `paywright`, made
    if need be and allowed, else `nobody`.
    """
    if os.geteuid() != 0:
        return None
    if folder.exists() and (owner := folder.stat().st_uid) != 0:
        try:
            return _account(pwd.getpwuid(owner))
        except KeyError:
            return Account(str(owner), owner, folder.stat().st_gid)
    found = _named("postgres") or _named(_OWN)
    found = found or (_create() if may_create else None) or _named("nobody")
    assert found is not None, "every Unix has nobody"
    return found


def can_enter(account: Account, folder: Path) -> bool:
    """Whether the user can reach the folder: every folder above lets it pass."""
    return _runs(account, ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)])


def can_run(account: Account, command: list[str]) -> bool:
    """Whether the user can execute the command, which should do no more than print a version."""
    return _runs(account, command)


def _runs(account: Account, command: list[str]) -> bool:
    try:
        return run(command, account=account, cwd=Path("/")).returncode == 0
    except OSError:
        return False


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _named(name: str) -> Account | None:
    try:
        return _account(pwd.getpwnam(name))
    except KeyError:
        return None


def _create() -> Account | None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        return None
    run([useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _OWN])
    return _named(_OWN)
