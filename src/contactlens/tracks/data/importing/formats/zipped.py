"""What a zip-based file (XLSX, NPZ) would unpack to, looked at before it is unpacked."""

import zipfile
from pathlib import Path

from contactlens.base.errors import InputError

MOST_BYTES = 4 * 2**30
MOST_RATIO, SMALL = 100, 2**26  # deflate reaches 1,032 on zeros; what is measured, less than 10


def require_sound(path: Path, kind: str) -> list[str]:
    """The names of its members. Raises InputError where it is no zip file, or would unpack beyond all measure."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{path}: not a readable {kind} file, or cut short ({error})") from error
    unpacked = sum(member.file_size for member in members)
    if unpacked > MOST_BYTES or unpacked > SMALL + MOST_RATIO * path.stat().st_size:
        raise InputError(f"{path}: refused, its {path.stat().st_size:,} bytes would unpack to {unpacked:,}")
    return [member.filename for member in members]
