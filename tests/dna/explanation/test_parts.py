"""Contributions made and written part by part: the bytes of all at once, and those of a run that nothing disturbed."""

import gzip
import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import h5py
import numpy as np
import pytest
import torch

from contactlens.dna.data.batch import StoredWindows
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.genome_tracks import write_bedgraph
from contactlens.dna.explanation import parts as parts_module
from contactlens.dna.explanation.attribute import _stretches, attribute_windows
from contactlens.dna.explanation.attributions import Attributions, write_attributions, write_hdf5
from contactlens.dna.explanation.methods import AttributionSettings, attribute
from contactlens.dna.explanation.methods.mutagenesis import scores
from contactlens.dna.explanation.parts import Sent, Work, attribute_parts, in_turn, score_parts, scored
from contactlens.dna.explanation.shuffles import shuffled
from contactlens.dna.models.caduceus import Caduceus, CaduceusConfig, CaduceusForMaskedLM, SsmConfig, save_caduceus
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.models.config import HeadConfig

L = 48
SETTINGS = AttributionSettings(ig_steps=2, rows_per_pass=5)
TINY = CaduceusConfig(d_model=8, n_layer=1, ssm_cfg=SsmConfig(d_state=2))


def stored_windows(n: int) -> StoredWindows:
    rng = np.random.default_rng(0)
    genome = Genome.of({"c": "".join(rng.choice(list("ACGTN"), 1_000, p=[0.24] * 4 + [0.04]))})
    starts = rng.integers(0, 1_000 - L, n).tolist()
    bounds = np.tile([[[2, 12], [20, 40]]], (n, 1, 1))
    names = [f"w{i}" for i in range(n)]
    return StoredWindows(genome, [("c", start, start + L) for start in starts], bounds, torch.ones(n), names)


def classifier() -> WindowClassifier:
    torch.manual_seed(0)
    return WindowClassifier(Caduceus(TINY), "pair", HeadConfig(4)).eval()


@pytest.mark.parametrize("method", ["saliency", "region_integrated_gradients"])
def test_parts_are_what_all_windows_at_once_give_and_are_made_once(method: str, tmp_path: Path) -> None:
    model, windows = classifier(), stored_windows(47)
    batch = windows.read(range(47))
    with torch.no_grad():
        passes = zip(batch.ids.split(5), batch.regions.split(5), strict=True)
        logits = torch.cat([model(*one) for one in passes]).double().numpy()
    np.testing.assert_array_equal(scored(model, windows, SETTINGS), logits)
    (found,) = attribute_parts(model, [windows], [logits], method, SETTINGS, [tmp_path])
    assert found.sizes == [20, 20, 7] and [len(one.logits) for one in found.pieces()] == found.sizes
    whole = attribute(model, batch.ids, batch.regions, method, SETTINGS)
    np.testing.assert_array_equal(found.load().hypothetical, whole)
    for row in (0, 19, 20, 46):
        hypothetical, one_hot = found.row(row)
        np.testing.assert_array_equal(hypothetical, whole[row])
        np.testing.assert_array_equal(one_hot, batch.ids[row, :, None].numpy() == [7, 8, 9, 10])
    assert len(found.references) == (47 if method.startswith("region") else 0)
    with patch.object(parts_module, "attributed", side_effect=AssertionError("made again")):
        (again,) = attribute_parts(model, [windows], [logits], method, SETTINGS, [tmp_path])
    assert again.references.equals(found.references)


def test_the_file_of_parts_is_the_one_that_numpy_writes_of_the_whole(tmp_path: Path) -> None:
    model, windows = classifier(), stored_windows(47)
    logits = scored(model, windows, SETTINGS)
    methods = ("saliency", "lrp")
    found = {one: attribute_parts(model, [windows], [logits], one, SETTINGS, [tmp_path])[0] for one in methods}
    write_attributions(tmp_path / "parts.npz", found)
    whole: dict[str, Attributions] = {name: one.load() for name, one in found.items()}
    with (tmp_path / "numpy.npz").open("wb") as file:
        first = whole["lrp"]
        names = {"window_ids": first.window_ids, "logits": first.logits, "one_hot": first.one_hot}
        np.savez_compressed(file, **names, **{name: whole[name].hypothetical for name in sorted(whole)})
    assert (tmp_path / "parts.npz").read_bytes() == (tmp_path / "numpy.npz").read_bytes()
    write_attributions(tmp_path / "whole.npz", whole)
    assert (tmp_path / "whole.npz").read_bytes() == (tmp_path / "numpy.npz").read_bytes()


def test_hdf5_holds_what_numpy_s_file_does_window_by_window(tmp_path: Path) -> None:
    model, windows = classifier(), stored_windows(47)
    logits = scored(model, windows, SETTINGS)
    methods = ("saliency", "lrp")
    found = {one: attribute_parts(model, [windows], [logits], one, SETTINGS, [tmp_path])[0] for one in methods}
    write_attributions(tmp_path / "a.npz", found)
    for name in ("a.h5", "b.h5"):
        write_hdf5(tmp_path / name, found)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with h5py.File(tmp_path / "a.h5") as file, np.load(tmp_path / "a.npz") as archive:
        assert set(file) == set(archive.files) and file["lrp"].chunks == file["one_hot"].chunks == (1, L, 4)
        assert file["window_ids"].asstr()[:].tolist() == archive["window_ids"].tolist()
        for name in ("logits", "one_hot", *methods):
            assert file[name].dtype == archive[name].dtype
            np.testing.assert_array_equal(file[name][:], archive[name])


def intervals(folder: Path, n: int = 60) -> list[str]:
    """Arguments of a backbone, a genome and intervals of two lengths, some of which overlap or adjoin."""
    rng = np.random.default_rng(1)
    torch.manual_seed(0)
    save_caduceus(CaduceusForMaskedLM(TINY), folder / "lm")
    bases = "".join(rng.choice(list("ACGT"), 3_000))
    (folder / "g.fa").write_text(f">chr1\n{bases}\n>chr2\n{bases[::-1]}\n")
    rows = [(f"chr{1 + i % 2}", 40 * i + (i % 3), 40 * (i + 1) + (8 if i % 5 else 0)) for i in range(n)]
    (folder / "b.bed").write_text("".join(f"{chrom}\t{start}\t{end}\n" for chrom, start, end in rows[::-1]))
    return [str(folder / name) for name in ("lm", "g.fa", "b.bed")]


def test_tables_written_interval_by_interval_are_those_of_all_intervals(tmp_path: Path) -> None:
    checkpoint, fasta, bed = intervals(tmp_path, 30)
    found = attribute_windows(checkpoint, fasta, bed, "saliency", context_bp=3, settings=SETTINGS)
    _, tsv, bedgraph, places = found.write(tmp_path / "out")
    table = found.table()
    assert len(table) == sum(one.end - one.start for one in found.intervals)
    assert tsv.read_text() == table.to_csv(sep="\t", index=False, float_format="%.6g", lineterminator="\n")
    write_bedgraph(tmp_path / "whole.bedgraph", _stretches(table))
    assert bedgraph.read_bytes() == (tmp_path / "whole.bedgraph").read_bytes()
    h5 = found.write(tmp_path / "h5", hdf5=True)[0]
    names = ["attributions.bedgraph", h5.name, "attributions.tsv", places.name]
    assert sorted(path.name for path in h5.parent.iterdir()) == names
    assert len(places.read_text().splitlines()) == 1 + len(found.intervals)
    with h5py.File(h5) as file:
        for row, one in enumerate(found.intervals):
            values = file["saliency"][row]
            np.testing.assert_array_equal(values[: one.end - one.start], found.of(row)[0])
            assert not values[one.end - one.start :].any()


CHILD = """
import os, signal, sys
import numpy as np
calls, save, last = [], np.save, int(sys.argv.pop(1))
def dying(*given):
    calls.append(1)
    if len(calls) == last:
        os.kill(os.getpid(), signal.SIGKILL)
    save(*given)
np.save = dying
from contactlens.cli.main import main
try:
    main()
finally:
    print("saved", len(calls))
"""


@pytest.mark.slow
def test_an_attribution_killed_twice_goes_on_to_the_bytes_of_an_undisturbed_one(tmp_path: Path) -> None:
    """A file for the scores of a part, three for its contributions: each kill strikes in the middle of one, and nothing
    that was whole is made again."""
    checkpoint, fasta, bed = intervals(tmp_path)

    def run(out: Path, last: int, *more: str) -> "subprocess.CompletedProcess[str]":
        places = ["--checkpoint", checkpoint, "--fasta", fasta, "--bed", bed, "--out", str(out), *more]
        command = ["dna", "attribute", *places, "--method", "saliency", "--rows-per-pass", "4", "--context-bp", "0"]
        return subprocess.run([sys.executable, "-c", CHILD, str(last), *command], capture_output=True, text=True)

    # Six lengths, of at most sixteen intervals each, are six parts: their scores, and a part, are whole at first.
    killed = [run(tmp_path / "killed", last) for last in (11, 5)]
    assert [one.returncode for one in killed] == [-signal.SIGKILL] * 2
    assert len(list((tmp_path / "killed").rglob("part"))) == 6 + 2
    ended, undisturbed = run(tmp_path / "killed", 0), run(tmp_path / "whole", 0)
    assert ended.returncode == undisturbed.returncode == 0, ended.stderr + undisturbed.stderr
    assert [one.stdout.splitlines()[-1] for one in (ended, undisturbed)] == ["saved 12", "saved 24"]
    by_two = run(tmp_path / "by_two", 0, "--workers", "2")
    assert by_two.returncode == 0, by_two.stderr
    assert by_two.stdout.splitlines()[-1] == "saved 0"  # by this process
    for path in sorted((tmp_path / "whole").iterdir()):
        for other in ("killed", "by_two"):
            assert (tmp_path / other / path.name).read_bytes() == path.read_bytes(), path.name
    names = [path.name for path in sorted((tmp_path / "killed").iterdir())]
    assert names == ["attributions.bedgraph", "attributions.npz", "attributions.tsv", "intervals.tsv"]


def test_another_process_gets_the_model_and_opens_the_genome_itself(tmp_path: Path) -> None:
    model, batch = classifier(), stored_windows(5).read(range(5))
    logits = model(batch.ids, batch.regions)
    try:
        torch.use_deterministic_algorithms(True, warn_only=True)
        sent = pickle.dumps((Sent(model), stored_windows(5)))
        torch.use_deterministic_algorithms(False)
        received, windows = pickle.loads(sent)
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    again = windows.read(range(5))
    assert torch.equal(received.model(again.ids, again.regions), logits)
    (tmp_path / "g.fa").write_text(">c\nACGTACGT\n")
    (tmp_path / "g.fa.gz").write_bytes(gzip.compress(b">c\nACGTACGT\n"))
    for name in ("g.fa", "g.fa.gz"):
        opened = Genome.open(tmp_path / name)
        with patch("contactlens.dna.data.genome._decompress", side_effect=AssertionError("a second copy")):
            other = pickle.loads(pickle.dumps(opened))
        assert other.fetch("c", 1, 5) == opened.fetch("c", 1, 5) == "CGTA" and other.path == opened.path


def test_scores_of_parts_are_those_of_all_and_kept(tmp_path: Path) -> None:
    model, windows = classifier(), stored_windows(47)
    ((found, shuffles),) = score_parts(model, [windows], SETTINGS, 2, [tmp_path])
    np.testing.assert_array_equal(found, scored(model, windows, SETTINGS))
    batch = windows.read(range(47))
    for draw in range(2):
        ids = shuffled(batch.ids, torch.ones_like(batch.ids, dtype=torch.bool), draw)
        np.testing.assert_array_equal(shuffles[:, draw], scores(model, ids, batch.regions, 5).numpy())
    with patch.object(parts_module, "scores", side_effect=AssertionError("made again")):
        ((again, _),) = score_parts(model, [windows], SETTINGS, 2, [tmp_path])
        np.testing.assert_array_equal(again, found)
    ((_, none),) = score_parts(model, [windows], SETTINGS, 0, [tmp_path])
    assert none.shape == (47, 0)


def test_sets_of_several_lengths_are_one_call_of_the_runner(tmp_path: Path) -> None:
    """So that workers share all parts, where each length alone has one."""
    checkpoint, fasta, bed = intervals(tmp_path)
    calls: list[tuple[str, int]] = []

    def run(work: Work, pieces: Sequence[tuple[Any, Path]], shared: Any, what: str) -> None:
        calls.append((what, len(pieces)))
        in_turn(work, pieces, shared, what)

    given: dict[str, Any] = {"context_bp": 0, "settings": replace(SETTINGS, rows_per_pass=4)}
    attribute_windows(checkpoint, fasta, bed, "saliency", **given, kept=tmp_path / "kept", run=run)
    assert calls == [("parts of 16 windows scored", 6), ("parts of 16 windows attributed by saliency", 6)]
