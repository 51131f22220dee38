"""Sequences by record and interval, from an indexed FASTA or from memory."""

import gzip
import os
import shutil
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from contactlens.base.errors import InputError
from contactlens.base.files import require_file

LINE = 60
CHUNK = LINE * 20_000
LONGEST_HEADER = 65_536
GZIP_MAGIC = b"\x1f\x8b"
IUPAC_LETTERS = frozenset("ACGTRYSWKMBDHVN")  # of the IUPAC code for DNA


@dataclass(frozen=True, eq=False)
class Genome:
    """Records of sequence.

    path: the FASTA; None for a genome in memory
    lengths: bases of each record, in the file's order
    """

    path: Path | None
    lengths: dict[str, int]
    _records: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path | str) -> "Genome":
        """Open a FASTA through pyfaidx; the index is written beside it, and anew where it does not fit the file. In a
        folder that can't be written it is made in the temporary folder, for as long as this genome is in use.

        bgzip is read in place. Plain gzip, as genome browsers offer it, can't be read by position: it is decompressed
        into the temporary folder, for as long as this genome is in use.

        Raises InputError for a missing or damaged file, and for repeated names.
        """
        path = Path(path)
        _refuse_unreadable(path)
        if _is_plain_gzip(path):
            return cls._of_copy(path, _decompress)
        index = Path(f"{path}.fai")
        if not os.access(path.parent, os.W_OK) and not (index.exists() and _index_fits(path, index)):
            return cls._of_copy(path, _link)
        compressed = path.suffix in (".gz", ".bgz")
        try:
            if not compressed and index.exists() and not _index_fits(path, index):
                index.unlink()
            # Beside an index that fits, a younger FASTA is only a copy: rewriting the index could touch a cache.
            rebuild = compressed or not index.exists()
            fasta = _quietly_opened(path, rebuild)
        except (OSError, ImportError) as error:
            _forget(path)
            raise InputError(f"{path}: can't be opened or indexed ({_first_line(error)})") from error
        except Exception as error:  # pyfaidx, Biopython and zlib each raise their own
            _forget(path)
            what = "bgzip file, or it is cut short" if compressed else "FASTA"
            raise InputError(f"{path}: not a readable {what} ({_first_line(error)})") from error
        return cls(path, {name: record.rlen for name, record in fasta.faidx.index.items()}, fasta)

    @classmethod
    def _of_copy(cls, path: Path, make: Callable[[Path, Path], None]) -> "Genome":
        folder = Path(tempfile.mkdtemp(prefix="contactlens-"))
        copy = folder / (path.name.removesuffix(".gz") if make is _decompress else path.name)
        try:
            make(path, copy)
            opened = cls.open(copy)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, InputError):
                raise InputError(str(error).replace(str(copy), str(path))) from error
            raise
        genome = cls(path, opened.lengths, opened._records)
        weakref.finalize(genome, shutil.rmtree, folder, ignore_errors=True)
        return genome

    @classmethod
    def of(cls, sequences: Mapping[str, str]) -> "Genome":
        """A genome in memory, from the sequence of each record."""
        records = {name: sequence.upper() for name, sequence in sequences.items()}
        return cls(None, {name: len(sequence) for name, sequence in records.items()}, records)

    def fetch(self, record: str, start: int, end: int) -> str:
        """Bases [start, end) of a record, upper case.

        Raises InputError where the record is unknown, does not hold the interval, or holds what is no base in it.
        """
        length = self.lengths.get(record)
        if length is None:
            raise InputError(f"{self.name}: no record {record!r}")
        if not 0 <= start <= end <= length:
            raise InputError(f"{self.name}: record {record!r} has {length:,} bases, which do not hold [{start}, {end})")
        bases = "" if start == end else self._read(record, start, end)
        foreign = set(bases) - IUPAC_LETTERS
        if foreign:
            letter, at = min((letter, bases.index(letter)) for letter in foreign)
            problem = f"holds {letter!r}, which is no base of DNA, at base {start + at + 1:,}"
            raise InputError(f"{self.name}: record {record!r} {problem}")
        if len(bases) != end - start:
            raise InputError(f"{self.name}: record {record!r} ends before base {end:,}")
        return bases

    def _read(self, record: str, start: int, end: int) -> str:
        try:
            return str(self._records[record][start:end]).upper()
        except Exception as error:  # a file that was damaged or changed since it was indexed
            raise InputError(f"{self.name}: record {record!r} can't be read ({_first_line(error)})") from error

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens what is read here, such as a decompressed copy, or the file where that is not there."""
        if self.path is None:
            return Genome.of, (dict(self._records),)
        read = Path(self._records.filename).absolute()  # type: ignore[attr-defined]
        return _reopened, (self.path.absolute(), read)

    @property
    def name(self) -> str:
        return "genome in memory" if self.path is None else str(self.path)

    def write(self, path: Path, records: Iterable[str]) -> None:
        """Write the named records, upper case in lines of 60 bases, with the index beside (`path`.fai)."""
        with path.open("wb") as fasta, Path(f"{path}.fai").open("w", newline="\n") as index:
            for record in records:
                fasta.write(f">{record}\n".encode())
                length = self.lengths[record]
                width = min(LINE, length)
                index.write(f"{record}\t{length}\t{fasta.tell()}\t{width}\t{width + (width > 0)}\n")
                self._write_bases(fasta, record)

    def _write_bases(self, fasta: IO[bytes], record: str) -> None:
        length = self.lengths[record]
        for start in range(0, length, CHUNK):
            bases = self.fetch(record, start, min(start + CHUNK, length)).encode()
            fasta.write(b"".join(bases[i : i + LINE] + b"\n" for i in range(0, len(bases), LINE)))


def _reopened(path: Path, read: Path) -> Genome:
    if not read.is_file():
        return Genome.open(path)
    opened = Genome.open(read)
    return Genome(path, opened.lengths, opened._records)


def _refuse_unreadable(path: Path) -> None:
    require_file(path)
    with path.open("rb") as file:
        head = file.read(LONGEST_HEADER)
    if not head:
        raise InputError(f"{path}: the file is empty")
    if not head.startswith(GZIP_MAGIC) and b"\r" in head and b"\n" not in head:
        raise InputError(f"{path}: its lines end in carriage returns alone; convert them to line feeds")


def _is_plain_gzip(path: Path) -> bool:
    """A bgzip block says so in the extra field of its gzip header (SAM specification, section 4.1)."""
    with path.open("rb") as file:
        head = file.read(14)
    return head.startswith(GZIP_MAGIC) and head[12:] != b"BC"


def _link(path: Path, copy: Path) -> None:
    copy.symlink_to(path.resolve())


def _decompress(path: Path, copy: Path) -> None:
    try:
        with gzip.open(path) as packed, copy.open("wb") as plain:
            shutil.copyfileobj(packed, plain, CHUNK)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: not a readable gzip file, or cut short ({error})") from error
    except OSError as error:
        problem = f"can't be decompressed into {copy.parent} ({error.strerror})"
        raise InputError(f"{path}: {problem}; make room there, or decompress the file beforehand") from error


def _forget(path: Path) -> None:
    """Remove what indexing may have left of a file that can't be read."""
    with suppress(OSError):
        for suffix in (".fai", ".gzi"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)


def _quietly_opened(path: Path, rebuild: bool) -> Any:
    import warnings

    import pyfaidx

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Index file .* is older than FASTA file", RuntimeWarning)
        return pyfaidx.Fasta(path, as_raw=True, rebuild=rebuild)


def _index_fits(path: Path, index: Path) -> bool:
    """Whether each record's header and end lie in the FASTA where the index says, and nothing lies between."""
    with path.open("rb") as file:
        position = 0
        try:
            for line in index.read_text().splitlines():
                name, *numbers = line.split("\t")
                length, offset, bases, width = map(int, numbers)
                header = file.read(min(offset - position, LONGEST_HEADER)).strip() if offset > position else b""
                if header[:1] != b">" or header[1:].split()[:1] != [name.encode()] or b"\n" in header:
                    return False
                lines = -(-length // bases) if bases else 0
                position = offset + length + lines * (width - bases)
                file.seek(position)
        except ValueError:
            return False
        # The last line may lack its line break.
        return position > 0 and not file.read(3).strip() and file.seek(0, 2) >= position - 2


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
