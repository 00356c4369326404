"""Changes of files below some folders, told in the moment they happen.

On Linux the kernel's own events reach the event loop before a request can that is sent after them
(inotify(7)). Elsewhere watchfiles looks, and gathers for some 20 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import os
import struct
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from watchfiles import Change, DefaultFilter, awatch

Changed = Callable[[Collection[Path]], None]

_IS_NOTICED = DefaultFilter()
_STEP_MS, _DEBOUNCE_MS = 20, 100
_HEAD = struct.Struct("iIII")
_READ_BYTES = 256 * 1024
_MODIFY, _ATTRIB, _MOVED_FROM, _MOVED_TO = 0x2, 0x4, 0x40, 0x80
_CREATE, _DELETE, _ONLY_DIRECTORIES = 0x100, 0x200, 0x0100_0000
_OVERFLOWN, _IS_DIRECTORY = 0x4000, 0x4000_0000
_MASK = _MODIFY | _ATTRIB | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ONLY_DIRECTORIES


async def watch(roots: Iterable[Path], changed: Changed) -> None:
    """Call `changed` with what is written, made, moved or deleted, until cancelled.

    Hidden folders of tools, compiled files and most editors' temporary ones do not count. Raises
    OSError when the system watches no more.
    """
    roots = list(roots)
    if sys.platform != "linux":
        async for batch in awatch(
            *roots, watch_filter=_IS_NOTICED, debounce=_DEBOUNCE_MS, step=_STEP_MS
        ):
            changed([Path(path) for _, path in batch])
        return
    loop = asyncio.get_running_loop()
    kernel = _Inotify(roots)
    loop.add_reader(kernel.fd, lambda: _tell(kernel, changed))
    try:
        await loop.create_future()
    finally:
        loop.remove_reader(kernel.fd)
        kernel.close()


def _tell(kernel: _Inotify, changed: Changed) -> None:
    paths = {path for path in kernel.read() if _IS_NOTICED(Change.modified, str(path))}
    if paths:
        changed(paths)


class _Inotify:
    """Watches of all folders below the roots, and of those that come."""

    def __init__(self, roots: Collection[Path]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._roots = roots
        self._folders: dict[int, Path] = {}
        self.fd = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        try:
            for root in roots:
                self._add_all(root)
        except OSError:
            self.close()
            raise

    def read(self) -> Iterator[Path]:
        """Yield what changed; when there was too much of it, the roots."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.fd, _READ_BYTES):
                yield from self._paths(data)

    def close(self) -> None:
        """Watch no more."""
        os.close(self.fd)

    def _paths(self, data: bytes) -> Iterator[Path]:
        at = 0
        while at < len(data):
            number, mask, _, length = _HEAD.unpack_from(data, at)
            at += _HEAD.size
            name = os.fsdecode(data[at : at + length].rstrip(b"\0"))
            at += length
            folder = self._folders.get(number)
            if mask & _OVERFLOWN:
                yield from self._roots
            elif folder is not None and name:
                path = folder / name
                yield path
                if mask & _IS_DIRECTORY and mask & (_CREATE | _MOVED_TO):
                    with contextlib.suppress(OSError):  # it may be gone again
                        yield from self._add_all(path)

    def _add_all(self, top: Path) -> list[Path]:
        """Watch a folder and those below it; the files that are there."""
        found: list[Path] = []
        for folder, folders, files in os.walk(top):
            here = Path(folder)
            folders[:] = [name for name in folders if _counts(here / name)]
            found += [here / name for name in files]
            try:
                number = self._libc.inotify_add_watch(self.fd, os.fsencode(here), _MASK)
                self._folders[self._checked(number)] = here
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
                    raise
        return found

    @staticmethod
    def _checked(answer: int) -> int:
        if answer < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return answer


def _counts(folder: Path) -> bool:
    return _IS_NOTICED(Change.modified, str(folder))
