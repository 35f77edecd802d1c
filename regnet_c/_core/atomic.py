"""Replaces a file completely or not at all, whatever fails on the way.

The new content goes into a file without a name (where the system has none, under a
temporary name) in the same folder, is synced to disk and takes the old file's place in
one step; then the folder is synced.  The process's umask is never touched: the system
applies it to new files by itself, and a file that is replaced passes on its
permissions.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..typing import StrPath

_O_TMPFILE = getattr(os, "O_TMPFILE", 0)
_O_NEW = os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_NO_FOLDER_SYNC = (errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOTSUP)


def write_atomically(path: StrPath, chunks: Sequence[Any]) -> None:
    """Replace the file at `path` by these bytes, or leave it as it was.

    Parameters
    ----------
    path : str or os.PathLike
        A symbolic link stays one: the file it points to is replaced.  A file that
        exists keeps its permissions and, where allowed, its owner and group.
    chunks : list of bytes-like
        Written one after the other.

    Raises
    ------
    OSError
        If the folder is missing or read-only, the disk is full, the file is read-only
        or is not a regular file; nothing has changed then and no temporary file is
        left.
    """
    path = os.fspath(path)
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    name = os.path.join(folder, f".regnet_c-{os.urandom(8).hex()}.tmp")
    try:
        old = _old_file(target)
        try:
            _write_new(folder, name, chunks, old)
            os.replace(name, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        _sync_folder(folder)
    except OSError as error:  # name the user's file, not ours
        raise OSError(error.errno, error.strerror, path) from None


def _old_file(target: str) -> os.stat_result | None:
    """The stat result of the file to be replaced, None if there is none."""
    try:
        old = os.stat(target)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(old.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(old.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file")
    if not os.access(target, os.W_OK):
        raise OSError(errno.EACCES, "The file is read-only")
    return old


def _write_new(
    folder: str, name: str, chunks: Sequence[Any], old: os.stat_result | None
) -> None:
    """Write a complete file called `name` to disk, nameless until then if possible."""
    mode = 0o666 if old is None else 0o600
    if _O_TMPFILE:
        try:
            _fill(folder, _O_TMPFILE, mode, chunks, old, name)
            return
        except OSError:  # the plain way works, or raises what is wrong
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
    _fill(name, _O_NEW, mode, chunks, old)


def _fill(
    where: str,
    flags: int,
    mode: int,
    chunks: Sequence[Any],
    old: os.stat_result | None,
    name: str | None = None,
) -> None:
    """Write, set the permissions, sync to disk, and name the file if it has no name."""
    file = os.open(where, os.O_WRONLY | flags, mode)
    try:
        for chunk in chunks:
            _write(file, chunk)
        if old is not None:
            _hand_on_rights(file, old)
        os.fsync(file)
        if name is not None:  # src_dir_fd: else Python links the link in /proc
            os.link(f"/proc/self/fd/{file}", name, src_dir_fd=file)
    finally:
        os.close(file)


def _write(file: int, chunk: Any) -> None:
    chunk = memoryview(chunk).cast("B")
    while chunk:
        chunk = chunk[os.write(file, chunk[: 1 << 30]) :]


def _hand_on_rights(file: int, old: os.stat_result) -> None:
    """Owner, group and permissions of the old file, as far as we may set them."""
    mode = stat.S_IMODE(old.st_mode) & 0o777
    new = os.fstat(file)
    if old.st_uid != new.st_uid:
        with contextlib.suppress(OSError):
            os.fchown(file, old.st_uid, -1)
    if old.st_gid != new.st_gid:
        try:
            os.fchown(file, -1, old.st_gid)
        except OSError:  # the file cannot have our group
            mode = mode & 0o707 | (mode & 0o007) << 3
    if hasattr(os, "fchmod"):
        os.fchmod(file, mode)


def _sync_folder(folder: str) -> None:
    """Sync the new name to disk, where the system can sync a folder."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)
