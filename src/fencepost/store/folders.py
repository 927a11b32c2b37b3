"""Folders that outlast a power cut, and the names in them."""

import os
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make a folder that only its owner may enter, and those it is in, so that they outlast a power cut."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on disk."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
