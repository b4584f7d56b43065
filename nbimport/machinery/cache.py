"""Compiled notebooks on disk. Invariant: what is read is what would be compiled now, or nothing.

An entry lies in ``__pycache__`` beside the notebook (or under ``sys.pycache_prefix``, or in the
user's cache folder where the notebook's folder can't be written). It is valid for one state of the
file: modification and change time in nanoseconds, size and inode. If only those differ, the code
cells are compared, so a save that changes outputs keeps the bytecode. A checksum covers the whole
entry. On any doubt nothing is returned and the caller compiles; nothing here raises.

Layout: magic (8 bytes), checksum (8), marshalled (stamp, path, key, digest, payload).
"""

from __future__ import annotations

import marshal
import os
import stat
import sys
import time
from _frozen_importlib_external import MAGIC_NUMBER, cache_from_source
from _imp import source_hash  # importlib.util.source_hash, without its imports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Stamp = tuple[int, int, int, int]

FORMAT = 6
_MAGIC = MAGIC_NUMBER + b"nb" + FORMAT.to_bytes(2, "little")
_HASH_KEY = int.from_bytes(MAGIC_NUMBER, "little")
_HEADER = len(_MAGIC) + 8
# File systems stamp with the kernel's tick: two writes within one tick look alike.
_TICK_NS = 20_000_000
UNTRUSTED = (0, 0, 0, 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Entry:
    """Hold what an entry says.

    Attributes:
        fresh: True where the file's stamp matches; else `digest` must be compared first.
        digest: Hash of everything in the notebook that the code depends on.
        payload: What was stored, as plain values and code objects.
    """

    __slots__ = ("digest", "fresh", "payload")

    def __init__(self, fresh: bool, digest: bytes, payload: tuple[Any, ...]) -> None:  # noqa: FBT001 - a record
        self.fresh = fresh
        self.digest = digest
        self.payload = payload


def entry_path(path: str, variant: str = "") -> str | None:
    """Return where the bytecode of a notebook lies, or None where Python caches nothing."""
    if sys.pycache_prefix is None and sys.implementation.cache_tag is not None:
        # What cache_from_source() returns, in a fifth of the time.
        folder, name = os.path.split(path)
        level = f".opt-{sys.flags.optimize}" if sys.flags.optimize else ""
        file = f"{name}{variant}.{sys.implementation.cache_tag}{level}.pyc"
        return os.path.join(folder, "__pycache__", file)
    try:
        return cache_from_source(f"{path}{variant}.py")
    except NotImplementedError:
        return None


def user_folder() -> str:
    """Return nbimport's folder among the user's caches."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser(r"~\AppData\Local")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "nbimport")


def user_entry_path(entry: str) -> str:
    """Return where an entry goes when its own folder can't be written."""
    return os.path.join(user_folder(), "bytecode", os.path.splitdrive(entry)[1].lstrip(os.sep))


def stamp_of(status: os.stat_result) -> Stamp:
    """Return what identifies one state of a file."""
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


def careful_stamp_of(status: os.stat_result) -> Stamp:
    """Return the stamp of a file that is about to be read, or one that matches nothing.

    A file changed so recently that a further change could leave the same stamp is compared by its
    content until the clock has moved on.
    """
    recent = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _TICK_NS
    return UNTRUSTED if recent else stamp_of(status)


def digest_of(content: Any) -> bytes:  # noqa: ANN401 - whatever marshal takes
    """Return a hash of plain values."""
    return source_hash(_HASH_KEY, marshal.dumps(content))


def read(entry: str, path: str, key: str, status: os.stat_result) -> Entry | None:
    """Read an entry, or its stand-in among the user's caches; None if there is no valid one."""
    return _read(entry, path, key, status) or read_for_user(entry, path, key, status)


def read_for_user(
    entry: str, path: str, key: str, status: os.stat_result | None = None
) -> Entry | None:
    """Read the stand-in of an entry among the user's caches; without a status it is not fresh."""
    return _read(user_entry_path(entry), path, key, status) if _is_ours(user_folder()) else None


def _read(entry: str, path: str, key: str, status: os.stat_result | None) -> Entry | None:
    data = content(entry)
    if data is None or data[: len(_MAGIC)] != _MAGIC:
        return None
    body = data[_HEADER:]
    if source_hash(_HASH_KEY, body) != data[len(_MAGIC) : _HEADER]:
        return None
    try:
        stamp, stored_path, stored_key, digest, payload = marshal.loads(body)  # noqa: S302 - as CPython reads a .pyc
    except (EOFError, ValueError, TypeError):
        return None
    if stored_path != path or stored_key != key:
        return None
    return Entry(status is not None and stamp == stamp_of(status), digest, payload)


def packed(stamp: Stamp, path: str, key: str, digest: bytes, payload: tuple[Any, ...]) -> bytes:
    """Return the bytes of an entry; none where something in it can't be stored."""
    try:
        body = marshal.dumps((stamp, path, key, digest, payload))
    except ValueError:
        return b""
    return _MAGIC + source_hash(_HASH_KEY, body) + body


def write(entry: str, mode: int, data: bytes) -> None:
    """Write an entry, whole or not at all, beside the notebook or else among the user's caches.

    Args:
        entry: The entry's path.
        mode: The notebook's; its entry is readable to nobody else.
        data: What `packed` returned.
    """
    if sys.dont_write_bytecode or not data:
        return
    if not write_atomically(entry, data, mode & 0o666):
        write_for_user(entry, data)


def write_for_user(entry: str, data: bytes) -> None:
    """Write the stand-in of an entry among the user's caches."""
    if not sys.dont_write_bytecode and data and _make_ours(user_folder()):
        write_atomically(user_entry_path(entry), data, 0o600)


def write_atomically(target: str, data: bytes, mode: int) -> bool:
    """Write a file so that readers see all of it or nothing; return whether it was written."""
    temporary = f"{target}.{os.getpid()}-{id(data)}"
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NONBLOCK
        descriptor = os.open(temporary, flags, mode | stat.S_IWUSR)
    except OSError:
        return False
    try:
        try:
            view = memoryview(data)
            while view:  # a short write is no error: on a full disk the next one fails
                view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)
        os.replace(temporary, target)
    except OSError:
        _remove(temporary)
        return False
    except BaseException:  # KeyboardInterrupt: leave nothing behind
        _remove(temporary)
        raise
    return True


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:  # gone already, or not ours to remove
        return


def content(path: str) -> bytes | None:
    """Read a regular file; a FIFO or a folder in its place neither blocks nor fails."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _NONBLOCK)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        data = os.read(descriptor, status.st_size + 1)
        while len(data) < status.st_size:
            more = os.read(descriptor, status.st_size - len(data))
            if not more:
                return None
            data += more
    except OSError:
        return None
    else:
        return data
    finally:
        os.close(descriptor)


def _is_ours(folder: str) -> bool:
    """Tell whether nobody else could have written into a folder of the user's caches."""
    try:
        status = os.stat(folder)
    except OSError:
        return False
    if not hasattr(os, "geteuid"):
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _make_ours(folder: str) -> bool:
    try:
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    except OSError:
        return False
    return _is_ours(folder)
