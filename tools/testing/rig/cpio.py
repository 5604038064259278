# SPDX-License-Identifier: GPL-2.0-only
"""Write an initramfs archive ("newc"): equal input gives equal bytes, no root needed."""

import stat
from pathlib import Path, PurePosixPath
from typing import BinaryIO


class Archive:
    """A file tree in memory; directories appear as they are needed."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[int, bytes, int, int]] = {}

    def _add(self, name: str, mode: int, data: bytes = b"", major: int = 0, minor: int = 0) -> None:
        path = PurePosixPath(name.lstrip("/"))
        for parent in reversed(path.parents[:-1]):
            self._entries.setdefault(str(parent), (stat.S_IFDIR | 0o755, b"", 0, 0))
        self._entries[str(path)] = (mode, data, major, minor)

    def directory(self, name: str) -> None:
        self._add(name, stat.S_IFDIR | 0o755)

    def data(self, name: str, data: bytes | str, mode: int = 0o644) -> None:
        self._add(name, stat.S_IFREG | mode, data.encode() if isinstance(data, str) else data)

    def file(self, name: str, source: Path) -> None:
        mode = 0o755 if source.stat().st_mode & 0o100 else 0o644
        self.data(name, source.read_bytes(), mode)

    def symlink(self, name: str, target: str) -> None:
        self._add(name, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, name: str, major: int, minor: int) -> None:
        self._add(name, stat.S_IFCHR | 0o600, b"", major, minor)

    def write(self, out: BinaryIO) -> None:
        for number, (name, (mode, data, major, minor)) in enumerate(self._entries.items(), 1):
            _member(out, number, name, mode, data, major, minor)
        _member(out, 0, "TRAILER!!!", 0, b"", 0, 0)

    def save(self, path: Path) -> Path:
        with path.open("wb") as out:
            self.write(out)
        return path


def _member(out: BinaryIO, number: int, name: str, mode: int, data: bytes, major: int, minor: int) -> None:
    """One header, the name and the data, each padded to four bytes."""
    encoded = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    for part in (header + encoded, data):
        out.write(part)
        out.write(bytes(-len(part) % 4))
