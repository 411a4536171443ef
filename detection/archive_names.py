"""Names within a zip: which are let in, and which are passed over."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from detection.archive_end import ArchiveRefused

LONGEST = 1000  # characters; file systems take 255 a part
ARCHIVES = {
    ".zip", ".zipx", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".tbz2", ".xz", ".txz", ".zst",
    ".lz", ".lzma", ".cab", ".iso", ".dmg", ".jar", ".cbz", ".cbr", ".arj", ".lzh", ".z",
}  # fmt: skip
SYSTEM_FILES = {".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
DRIVE = re.compile(r"[A-Za-z]:")


def decoded(raw: bytes) -> str:
    """UTF-8 whatever the flag says, for macOS sets none; else the code page that zips began with."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp437")


def check_name(name: str) -> None:
    """Nothing is ever written under a sender's name; but who sends such names means no good.

    Raises:
        ArchiveRefused: unsafe_name or nested_archive.
    """
    parts = name.replace("\\", "/").split("/")
    if not name or len(name) > LONGEST or "\0" in name:
        raise ArchiveRefused("unsafe_name", "A file in this zip has no proper name. Make the zip once more.")
    if parts[0] == "" or DRIVE.match(name):
        raise ArchiveRefused("unsafe_name", f"{name[:200]} has an absolute path. Zip its folder instead.")
    if ".." in parts:
        raise ArchiveRefused("unsafe_name", f"{name[:200]} leads out of its folder. Zip that one instead.")
    if PurePosixPath(name).suffix.lower() in ARCHIVES and not is_passed_over(name):
        raise ArchiveRefused(
            "nested_archive", f"{name[:200]} is an archive itself. Put in its files instead."
        )


def is_passed_over(name: str) -> bool:
    """What operating systems put beside people's files."""
    parts = name.split("/")
    last = parts[-1].lower()
    return "__MACOSX" in parts[:-1] or last.startswith("._") or last in SYSTEM_FILES
