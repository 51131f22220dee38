"""Damaged files of every kind that a user may bring are read, or refused in one message; nothing else ever happens."""

import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_bad_commands import GOOD as TRACKS
from test_bad_commands import parquet as tracks_parquet
from track_inputs import track_set
from window_inputs import BED, BENGI, GOOD, NARROW, RECORDS, bgzipped, columns, fasta, parquet, write_set

from contactlens.base.errors import InputError
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.importing.bengi import import_bengi
from contactlens.dna.data.importing.regions import import_regions
from contactlens.dna.data.importing.windows import import_windows
from contactlens.dna.data.window_set import WindowSet
from contactlens.dna.explanation.attributions import Attributions, read_attributions, write_attributions
from contactlens.dna.models.caduceus import CaduceusConfig, CaduceusForMaskedLM, SsmConfig
from contactlens.dna.models.classifier import WindowClassifier, load_classifier, save_classifier
from contactlens.dna.models.config import HeadConfig
from contactlens.ops.params import load_params
from contactlens.tracks.data.importing.column_mapping import ColumnMapping
from contactlens.tracks.data.importing.table import import_table
from contactlens.tracks.data.track_set import TrackSet

PARAMS = Path(__file__).parents[1] / "params.yaml"
MAPPING = ColumnMapping(track=["cell"], time="t", time_unit="s", distance="d", length_unit="nm", signal="y")
RULES: dict[str, Any] = {"window_bp": 300, "max_n_fraction": 0.1}
# What a program may write where a number or a name stands.
TOKENS = [
    b"-1",
    b"1e309",
    b"nan",
    b"9" * 30,
    b"",
    b" ",
    b"\t",
    b"\n",
    b"\r",
    b'"',
    b"\0",
    b"\xff",
    b">",
    b"0x1F",
    b"null",
]


class Kind(NamedTuple):
    """A file by its name, its sound bytes, and what reads it (the file in its folder)."""

    name: str
    content: Callable[[], bytes]
    read: Callable[[Path], Any]


@cache
def classifier() -> dict[str, bytes]:
    import tempfile

    torch.manual_seed(0)
    sizes = CaduceusConfig(d_model=4, n_layer=1, ssm_cfg=SsmConfig(d_state=2))
    with tempfile.TemporaryDirectory() as folder:
        save_classifier(WindowClassifier(CaduceusForMaskedLM(sizes).backbone, "pair", HeadConfig(3)), f"{folder}/c")
        return {path.name: path.read_bytes() for path in Path(folder, "c").iterdir()}


@cache
def part_of(kind: str, name: str) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "set")
        write_set(target) if kind == "windows" else track_set(tracks=2).write(target)
        return (target / name).read_bytes()


def attributions() -> bytes:
    import tempfile

    ids, ones = np.array(["a", "b"]), np.ones((2, 5, 4), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        write_attributions(f"{folder}/a.npz", {"lrp": Attributions(ids, np.zeros(2), ones.astype(np.float32), ones)})
        return Path(folder, "a.npz").read_bytes()


def old_weights() -> bytes:
    from safetensors.torch import load

    sink = io.BytesIO()
    torch.save(load(classifier()["model.safetensors"]), sink)
    return sink.getvalue()


def beside(files: dict[str, bytes], read: Callable[[Path], Any], without: str = "") -> Callable[[Path], Any]:
    """Read a folder of which the damaged file is one."""

    def act(path: Path) -> Any:
        for name, content in files.items():
            if name not in (path.name, without):
                (path.parent / name).write_bytes(content)
        return read(path.parent)

    return act


def of_genome(read: Callable[[Path, Path], Any]) -> Callable[[Path], Any]:
    def act(path: Path) -> Any:
        genome = path.parent / "sound.fa"
        genome.write_text(fasta(RECORDS))
        return read(path, genome)

    return act


def of_table(path: Path) -> Any:
    table = path.parent / "sound.tsv"
    table.write_text(GOOD)
    return import_windows(table, path, **RULES).window_set.sequences()


def whole_genome(path: Path) -> Any:
    genome = Genome.open(path)
    return [genome.fetch(name, 0, length) for name, length in genome.lengths.items()]


def window_set(name: str) -> Kind:
    names = ("windows.parquet", "genome.fa", "genome.fa.fai", "window_set.json")
    return Kind(
        name,
        lambda: part_of("windows", name),
        lambda path: beside({n: part_of("windows", n) for n in names}, lambda f: WindowSet.read(f).sequences())(path),
    )


def model(name: str) -> Kind:
    return Kind(name, lambda: classifier()[name], lambda path: beside(classifier(), load_classifier)(path))


regions = of_genome(lambda p, g: import_regions(p, window_bp=100, max_n_fraction=0.1, seed=0, genome=g))
windows = of_genome(lambda p, g: import_windows(p, g, **RULES))
KINDS = {
    "tracks csv": Kind("t.csv", TRACKS.encode, lambda path: import_table(path, MAPPING)),
    "tracks tsv": Kind("t.tsv", TRACKS.replace(",", "\t").encode, lambda path: import_table(path, MAPPING)),
    "tracks parquet": Kind("t.parquet", tracks_parquet, lambda path: import_table(path, MAPPING)),
    "track set": Kind("frames.parquet", lambda: part_of("tracks", "frames.parquet"), lambda p: TrackSet.read(p.parent)),
    "pairs tsv": Kind("p.tsv", GOOD.encode, windows),
    "pairs bedpe": Kind("p.bedpe", b"chr1\t200\t250\tchr1\t330\t390\tx\t1\n".strip, windows),
    "pairs parquet": Kind("p.parquet", lambda: parquet(columns()), windows),
    "bengi": Kind("b.tsv", BENGI.encode, of_genome(lambda p, g: import_bengi(p, g, **RULES))),
    "bed": Kind("p.bed", BED.encode, regions),
    "narrowPeak": Kind("p.narrowPeak", NARROW.format(30).encode, regions),
    "peaks fasta": Kind("p.fa", fasta(RECORDS).encode, regions),
    "genome": Kind("g.fa", fasta(RECORDS).encode, of_table),
    "genome bgzip": Kind("g.fa.gz", bgzipped, whole_genome),
    "windows": window_set("windows.parquet"),
    "windows genome": window_set("genome.fa"),
    "windows index": window_set("genome.fa.fai"),
    "windows description": window_set("window_set.json"),
    "attributions": Kind("a.npz", attributions, read_attributions),
    "weights": model("model.safetensors"),
    "head": model("head.safetensors"),
    "config": model("config.json"),
    "head description": model("classifier.json"),
    "old weights": Kind(
        "pytorch_model.bin",
        old_weights,
        lambda path: beside(classifier(), load_classifier, without="model.safetensors")(path),
    ),
    "params": Kind("params.yaml", PARAMS.read_bytes, load_params),
}


@st.composite
def damages(draw: st.DrawFn) -> list[tuple[float, int, bytes, bool]]:
    """Places (as shares of the file), bytes removed there, and what is put in; or the end cut off."""
    put = st.one_of(st.sampled_from(TOKENS), st.binary(max_size=4))
    one = st.tuples(
        st.floats(0, 1), st.sampled_from([0, 1, 1, 1, 3, 8, 40]), put, st.sampled_from([False] * 19 + [True])
    )
    return draw(st.lists(one, min_size=1, max_size=4))


def damaged(content: bytes, changes: list[tuple[float, int, bytes, bool]]) -> bytes:
    data = bytearray(content)
    for share, removed, put, cut in changes:
        at = int(share * len(data))
        data[at : len(data) if cut else at + removed] = put
    return bytes(data)


def refusal_of(kind: Kind, folder: Path, content: bytes) -> str | None:
    """The message that refuses this content, or None where it is read; any other error is raised."""
    path = folder / kind.name
    for left in folder.iterdir():
        left.unlink()
    path.write_bytes(content)
    try:
        kind.read(path)
    except InputError as error:
        return str(error)
    return None


def names_its_file(message: str | None, folder: Path) -> bool:
    return message is None or (str(folder) in message and len(message) < 5000)


@pytest.mark.parametrize("name", KINDS)
def test_the_sound_file_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / KINDS[name].name).write_bytes(KINDS[name].content())
    assert KINDS[name].read(tmp_path / KINDS[name].name) is not None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=25)
@given(changes=damages())
def test_a_damaged_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, changes: list[tuple[float, int, bytes, bool]]
) -> None:
    folder = tmp_path_factory.getbasetemp() / f"fuzz_{name}"
    folder.mkdir(exist_ok=True)
    message = refusal_of(KINDS[name], folder, damaged(KINDS[name].content(), changes))
    assert names_its_file(message, folder), message


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", KINDS)
def test_many_damaged_files_are_read_or_refused(tmp_path: Path, name: str) -> None:
    rng, content, refused = np.random.default_rng(11), KINDS[name].content(), 0
    for _ in range(250):
        changes = [
            (
                float(rng.random()),
                int(rng.choice([0, 1, 4, 40])),
                TOKENS[rng.integers(len(TOKENS))],
                rng.random() < 0.05,
            )
            for _ in range(rng.integers(1, 6))
        ]
        message = refusal_of(KINDS[name], tmp_path, damaged(content, changes))
        assert names_its_file(message, tmp_path), message
        refused += message is not None
    assert refused > 0


def test_the_damages_do_damage() -> None:
    assert json.loads(damaged(b'{"a": 1}', [(0.0, 0, b"", False)])) == {"a": 1}
    assert damaged(b"abcdef", [(0.5, 1, b"X", False), (1.0, 3, b"Y", False)]) == b"abcXefY"
    assert damaged(b"abcdef", [(0.5, 1, b"", True)]) == b"abc"
