"""Reading a file that somebody else wrote: a regular one, of a bounded size, and without waiting for anybody.

`Path.read_bytes` hangs on a pipe, never ends on `/dev/zero`, and takes as much memory as a file has bytes.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_plain(path: Path, *, max_bytes: int) -> bytes:
    """The bytes of a regular file.

    Args:
        path: a link is followed; see `aqaa_eval.core.inside` for where it may lead.
        max_bytes: a larger file is refused before it is read.

    Raises:
        OSError: missing, not permitted, no regular file or too large; `strerror` says which.
    """
    # Not blocking: opening a pipe would wait for its writer.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
            raise OSError(errno.EINVAL, f"not a regular file but {kind}")
        if status.st_size > max_bytes:
            raise OSError(errno.EFBIG, f"{status.st_size} bytes, at most {max_bytes} are read")
        encoded = os.read(handle, status.st_size)  # of max_bytes, that much would be set aside first
        while len(encoded) < status.st_size and (more := os.read(handle, status.st_size - len(encoded))):
            encoded += more
        return encoded
    finally:
        os.close(handle)


def read_plain_text(path: Path, *, max_bytes: int) -> str:
    """The text of a regular file in UTF-8, with or without a mark.

    Raises:
        OSError: as `read_plain`, or in another encoding.
    """
    try:
        return read_plain(path, max_bytes=max_bytes).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise OSError(errno.EILSEQ, f"not UTF-8, byte {error.start}; save it as UTF-8") from error
