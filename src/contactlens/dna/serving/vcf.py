"""Variants of a VCF, read strictly, and the same file with the model's fields in its INFO column.

Only the first eight columns are read, line by line. Read here because the message for a bad line has to name it, plain
gzip and contigs that the header lacks are usual in hand-made files, and every other byte has to stay as it is:
htslib's readers say `truncated file` for any bad line, refuse plain gzip, and don't write undeclared contigs.
Source: the VCF specification, version 4.3.
"""

import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from contactlens.base.errors import InputError
from contactlens.base.files import require_file, write_aside

VCF_COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
BCF_MAGIC = b"BCF"
ESCAPES = {"%": "%25", ";": "%3B", "=": "%3D", ",": "%2C", ":": "%3A", " ": "%20", "\t": "%09"}
MISSING = "."


class Variant(NamedTuple):
    """A record. line: its 1-based number in the file; start: 0-based place of REF's first base; alts: as written"""

    line: int
    chrom: str
    start: int
    id: str
    ref: str
    alts: tuple[str, ...]

    @property
    def end(self) -> int:
        return self.start + len(self.ref)

    def __str__(self) -> str:
        return f"line {self.line}, {self.chrom}:{self.start + 1} {self.ref}>{','.join(self.alts) or MISSING}"


class InfoField(NamedTuple):
    """A field to add, one value for each ALT allele."""

    key: str
    kind: str
    description: str

    def __str__(self) -> str:
        return f'##INFO=<ID={self.key},Number=A,Type={self.kind},Description="{self.description}">'


def read_variants(path: Path | str) -> Iterator[Variant]:
    """The records of a VCF: plain, bgzip or gzip, whatever its name.

    Raises InputError, with the line, for what is no VCF, or a record without place, REF or ALT.
    """
    path = Path(path)
    for number, line in _lines(path):
        if not line.startswith("#") and line:
            yield _variant(path, number, line)


def write_annotated(
    source: Path | str, out: Path | str, fields: Sequence[InfoField], values: Mapping[int, Mapping[str, Sequence[str]]]
) -> None:
    """`source` as plain text with fields added to INFO; whatever else a line holds stays.

    values: line -> key -> text for each ALT allele. Fields of the same keys, from an earlier run, are replaced.
    Raises InputError where `out` is the source.
    """
    source = Path(source)
    if Path(out).exists() and Path(out).samefile(source):
        raise InputError(f"{out}: would replace the VCF that is read; name another file with --out")
    keys = {field.key for field in fields}
    with write_aside(out) as aside, aside.open("w", encoding="utf-8", newline="\n") as file:
        for number, line in _lines(source):
            if line.startswith("##"):
                if not any(line.startswith(f"##INFO=<ID={key},") for key in keys):
                    file.write(f"{line}\n")
            elif line.startswith("#"):
                file.writelines(f"{field}\n" for field in fields)
                file.write(f"{line}\n")
            elif line:
                file.write(f"{_annotated(line, keys, values.get(number, {}))}\n")


def _annotated(line: str, keys: set[str], added: Mapping[str, Sequence[str]]) -> str:
    cells = line.split("\t")
    kept = [part for part in cells[7].split(";") if part not in ("", MISSING) and part.split("=")[0] not in keys]
    new = [f"{key}={','.join(map(escaped, values))}" for key, values in added.items()]
    cells[7] = ";".join(kept + new) or MISSING
    return "\t".join(cells)


def escaped(text: str) -> str:
    """A value as INFO allows it; `.` where it is empty."""
    return "".join(ESCAPES.get(letter, letter) for letter in text) or MISSING


def _variant(path: Path, number: int, line: str) -> Variant:
    cells = line.split("\t")
    if len(cells) < len(VCF_COLUMNS):
        hint = "; are its columns separated by tabs?" if len(cells) == 1 else ""
        raise InputError(f"{path}: line {number} has {len(cells)} of the {len(VCF_COLUMNS)} columns of a VCF{hint}")
    chrom, place, name, ref, alt = (cell.strip() for cell in cells[:5])
    if not place.isascii() or not place.isdecimal() or int(place) < 1:
        raise InputError(f"{path}: line {number}, column 'POS': {place!r} is not a whole number from 1")
    if not chrom or not ref or ref == MISSING:
        raise InputError(f"{path}: line {number} lacks CHROM or REF")
    alts = tuple(alt.upper().split(",")) if alt not in ("", MISSING) else ()
    return Variant(number, chrom, int(place) - 1, name, ref.upper(), alts)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines; InputError where the header is not a VCF's, or the file can't be read to its end."""
    require_file(path)
    named = False
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, start=1):
                text = line.rstrip("\r\n")
                if number == 1 and not text.startswith("##fileformat=VCF"):
                    raise InputError(f"{path}: not a VCF; its first line has to be ##fileformat=VCFv4...")
                if text.startswith("#CHROM"):
                    named = _named(path, number, text)
                elif not text.startswith("#") and text and not named:
                    raise InputError(f"{path}: line {number} comes before the line #CHROM POS ID REF ALT ...")
                yield number, text
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: not a readable gzip file, or cut short ({error})") from error
    if not named:
        raise InputError(f"{path}: not a whole VCF; it has no line #CHROM POS ID REF ALT ...")


def _named(path: Path, number: int, text: str) -> bool:
    if tuple(text.split("\t")[: len(VCF_COLUMNS)]) != VCF_COLUMNS:
        raise InputError(f"{path}: line {number} has to name the columns {' '.join(VCF_COLUMNS)}, separated by tabs")
    return True


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    opener = gzip.open if packed else open
    with opener(path, "rb") as binary:
        if binary.read(len(BCF_MAGIC)) == BCF_MAGIC:
            raise InputError(f"{path}: is BCF; convert it with `bcftools view -Oz`")
    with opener(path, "rt", encoding="utf-8-sig", newline="\n") as text:
        yield text
