"""A checkpoint that is not what it should be is refused at the command line, before anything is computed from it."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from window_inputs import GOOD, RECORDS, fasta

from contactlens.base.errors import InputError
from contactlens.dna.models.caduceus import CaduceusConfig, CaduceusForMaskedLM, SsmConfig, save_caduceus
from contactlens.dna.models.classifier import WindowClassifier, load_classifier, save_classifier
from contactlens.dna.models.config import HeadConfig
from refusal import fill, refused_in_one_line, run

Spoil = Callable[[Path], Any]
WEIGHTS, OLD = "model.safetensors", "pytorch_model.bin"
SIZES = CaduceusConfig(d_model=8, n_layer=1, ssm_cfg=SsmConfig(d_state=4))
PAIR = "chr1\t100\t160\tchr1\t300\t400\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A backbone, a classifier and intervals of a genome."""
    torch.manual_seed(0)
    save_caduceus(CaduceusForMaskedLM(SIZES), tmp_path / "backbone")
    save_classifier(
        WindowClassifier(CaduceusForMaskedLM(SIZES).backbone, "pair", HeadConfig(8)), tmp_path / "classifier"
    )
    fill(tmp_path, {"g.fa": fasta(RECORDS), "p.bed": "chr1\t100\t160\n", "p.bedpe": PAIR, "pairs.tsv": GOOD})
    return tmp_path


def config(**changes: Any) -> Spoil:
    def act(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return act


def holding(name: str, content: bytes) -> Spoil:
    return lambda folder: (folder / name).write_bytes(content)


def tensors(change: Callable[[torch.Tensor], torch.Tensor], name: str = WEIGHTS) -> Spoil:
    """Every weight but the tokens' complements, changed."""

    def act(folder: Path) -> None:
        held = load_file(folder / name)
        save_file({k: change(v) if v.is_floating_point() else v for k, v in held.items()}, folder / name)

    return act


def renamed(folder: Path) -> None:
    save_file({f"student.{name}": value for name, value in load_file(folder / WEIGHTS).items()}, folder / WEIGHTS)


class Code:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.canary}",)


def old_weights(write: Callable[[Any, Path], Any]) -> Spoil:
    def act(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        write({"weight": Code(folder.parent / "canary")}, folder / OLD)

    return act


def plain_pickle(content: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(content))


BACKBONES: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "no config": (lambda f: (f / "config.json").unlink(), ("config.json: no such file; a checkpoint folder holds",)),
    "other model": (config(model_type="bert"), ("config.json: model_type must be caduceus, got 'bert'",)),
    "nested config": (holding("config.json", b"[" * 10**5), ("config.json: not readable as JSON",)),
    "endless number": (holding("config.json", b"9" * 5000), ("config.json: not readable as JSON",)),
    "unknown mixer key": (config(ssm_cfg={"d_sate": 4}), ("config.json: ssm_cfg has the unknown key 'd_sate'",)),
    "mixer a list": (config(ssm_cfg=[4]), ("config.json: ssm_cfg must be a mapping, got [4]",)),
    "rank below 1": (config(ssm_cfg={"d_state": 4, "dt_rank": -1}), ("config.json: dt_rank must be auto or",)),
    "rank of text": (config(ssm_cfg={"d_state": 4, "dt_rank": "many"}), ("dt_rank must be auto or", "'many'")),
    "epsilon NaN": (config(norm_epsilon=float("nan")), ("config.json: norm_epsilon must be positive and finite",)),
    "vocabulary too small": (config(vocab_size=4), ("config.json: vocab_size must be at least 12, got 4",)),
    "vocabulary of a billion": (config(vocab_size=10**9), ("config.json: complement_map must map the tokens",)),
    "half a token": (config(complement_map={str(i): i + 0.5 for i in range(16)}), ("whole numbers, got 0.5",)),
    "width of a million": (config(d_model=10**6), (f"{WEIGHTS}: 19 tensors have another shape", "(16, 1000000)")),
    "width beyond all": (config(d_model=10**12), ("config.json: asks for a model that can't be built",)),
    "a billion layers": (config(n_layer=10**9), (f"{WEIGHTS}: holds 21 tensors", "1,000,000,000 layers")),
    "cut short": (lambda f: os.truncate(f / WEIGHTS, 900), (f"{WEIGHTS}: truncated or not a checkpoint",)),
    "header too long": (holding(WEIGHTS, b"\xff" * 8 + b"{}"), (f"{WEIGHTS}: truncated or not", "header")),
    "no tensors": (holding(WEIGHTS, (2).to_bytes(8, "little") + b"{}"), (f"{WEIGHTS}: holds 0 tensors",)),
    "other names": (renamed, (f"{WEIGHTS}: 20 tensors are missing that config.json asks for", "embeddings")),
    "other shapes": (tensors(lambda v: v.flatten()), (f"{WEIGHTS}: ", "have another shape than config.json asks for")),
    "NaN weights": (tensors(lambda v: v * float("nan")), (f"{WEIGHTS}: 19 tensors hold NaN or infinite",)),
    "whole weights": (tensors(lambda v: v.long()), (f"{WEIGHTS}: 19 tensors hold no floating-point", "torch.int64")),
    "complex weights": (tensors(lambda v: v.to(torch.complex64)), (f"{WEIGHTS}: 19 tensors hold no", "complex64")),
    "code": (old_weights(torch.save), (f"{OLD}: truncated or not a checkpoint (it names posix.system; only plain",)),
    "code as plain pickle": (old_weights(plain_pickle), (f"{OLD}: truncated or not a checkpoint", "only plain")),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), ("backbone: holds neither model.safetensors nor",)),
}  # fmt: skip


def attribute(folder: Path, checkpoint: str, bed: str = "@p.bed", *flags: object) -> str:
    given = ("--checkpoint", checkpoint, "--fasta", "@g.fa", "--bed", bed, "--out", "@out", "--method", "saliency")
    return refused_in_one_line(folder, "dna", "attribute", *given, *flags)


@pytest.mark.parametrize("name", BACKBONES)
def test_a_bad_backbone_is_refused_by_both_commands(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    spoil, says = BACKBONES[name]
    spoil(folder / "backbone")
    for message in (
        attribute(folder, "@backbone"),
        refused_in_one_line(folder, "dna", "run", "--checkpoint", "@backbone", "--workspace", "@w"),
    ):
        assert message.startswith(str(folder / "backbone"))
        assert "weights_only" not in message, "torch's advice on how to run the file's code"
        for part in says:
            assert part in message
    assert not (folder / "canary").exists()


HEADS: dict[str, tuple[Spoil, str]] = {
    "no head": (lambda f: (f / "head.safetensors").unlink(), "needs classifier.json and head.safetensors"),
    "head cut short": (lambda f: os.truncate(f / "head.safetensors", 99), "don't describe a head"),
    "NaN head": (tensors(lambda v: v * float("inf"), "head.safetensors"), "tensors hold NaN or infinite numbers"),
    "unknown task": (holding("classifier.json", b'{"task": "triple", "hidden": 8}'), "found 'triple', 8"),
    "task a list": (holding("classifier.json", b'{"task": ["pair"], "hidden": 8}'), "found ['pair'], 8"),
    "other task": (holding("classifier.json", b'{"task": "region", "hidden": 8}'), "size mismatch for hidden.weight"),
    "hidden of text": (holding("classifier.json", b'{"task": "pair", "hidden": "8"}'), "found 'pair', '8'"),
    "hidden of billions": (holding("classifier.json", b'{"task": "pair", "hidden": 9000000000}'), "size mismatch"),
    "nested description": (holding("classifier.json", b"[" * 10**5), "don't describe a head"),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_a_bad_classifier_is_refused(folder: Path, name: str) -> None:
    spoil, says = HEADS[name]
    spoil(folder / "classifier")
    message = attribute(folder, "@classifier", "@p.bedpe")
    assert message.startswith(str(folder / "classifier")) and says in message


USES: dict[str, tuple[tuple[str, ...], str]] = {
    "no folder": (("@absent",), "absent: no such folder; give a folder that holds config.json"),
    "a file": (("@g.fa",), "g.fa: no such folder; give a folder that holds config.json"),
    "hub without network": (("somebody/caduceus",), "somebody/caduceus: "),
    "BED for a classifier of pairs": (("@classifier",), "p.bed: a classifier of pairs takes BEDPE"),
    "pair on two chromosomes": (("@classifier", "@two.bedpe"), "column 'chrom2': 1 pairs lie on two records"),
    "interval without chr": (("@backbone", "@bare.bed"), "the FASTA calls '1' 'chr1'; first at line 1 ('1')"),
    "interval beyond the end": (("@backbone", "@far.bed"), "column 'end': 1 ends lie beyond their records"),
    "interval reversed": (("@backbone", "@back.bed"), "column 'end': 1 ends are not above 'start'"),
    "no steps": (("@backbone", "@p.bed", "--ig-steps", "0"), "ig_steps must be at least 1, got 0"),
    "no rows": (("@backbone", "@p.bed", "--rows-per-pass", "0"), "rows_per_pass must be at least 1, got 0"),
    "context below 0": (("@backbone", "@p.bed", "--context-bp", "-1"), "context_bp must be at least 0, got -1"),
    "unknown device": (("@backbone", "@p.bed", "--device", "gpu"), "device 'gpu': Expected one of cpu, cuda"),
    "device without memory": (("@backbone", "@p.bed", "--device", "meta"), "device 'meta': "),
    "unknown method": (("@backbone", "@p.bed", "--method", "lpr"), "no attribution method 'lpr'; there are best"),
}  # fmt: skip


@pytest.mark.parametrize("name", USES)
def test_a_wrong_use_is_refused(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    beds = {"two.bedpe": PAIR.replace("chr1\t3", "chr2\t3"), "bare.bed": "1\t5\t9\n", "far.bed": "chr1\t9\t9999\n"}
    fill(folder, {**beds, "back.bed": "chr1\t9\t5\n"})
    arguments, says = USES[name]
    assert says in attribute(folder, *arguments)


def test_a_backbone_is_no_classifier_and_of_a_classifier_the_backbone_is_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"backbone: needs classifier.json and head.safetensors; a classifier has"):
        load_classifier(folder / "backbone")
    monkeypatch.chdir(Path(__file__).parents[3])
    monkeypatch.setattr("contactlens.ops.workspace.run_pipeline", lambda *_: 0)
    code, _, message = run(folder, "dna", "run", "--checkpoint", "@classifier", "--workspace", "@w")
    assert code == 0 and message.endswith("classifier the backbone alone is taken, without its head\n")
    taken = folder / "w/data/import_dna/checkpoint"
    assert sorted(path.name for path in taken.iterdir()) == ["config.json", WEIGHTS]
    assert (taken / WEIGHTS).read_bytes() == (folder / "classifier" / WEIGHTS).read_bytes()


def test_a_sound_backbone_is_explained(folder: Path) -> None:
    given = ("--checkpoint", "@backbone", "--fasta", "@g.fa", "--bed", "@p.bed", "--out", "@out")
    assert run(folder, "dna", "attribute", *given, "--method", "saliency")[0] == 0
    assert sorted(path.suffix for path in (folder / "out").iterdir()) == [".bedgraph", ".npz", ".tsv", ".tsv"]
