"""Layouts in which people keep a Caduceus: shards, a wrapped or nested state, a trainer's file, a head of their own."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from contactlens.base.errors import InputError
from contactlens.cli.main import app
from contactlens.dna.models.caduceus import load_caduceus
from contactlens.dna.models.caduceus.checkpoint import published_names, unread_tensors
from reference_files import SMALL

CASES = SMALL / "cases" / "checkpoints"
LAYOUTS = ("sharded", "module_prefix", "nested_bin", "lightning_ckpt", "seqcls")


def raw_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Everything that the files hold, by their last published name."""
    from safetensors.torch import load_file

    found: dict[str, torch.Tensor] = {}
    for path in folder.iterdir():
        if path.suffix == ".safetensors":
            found |= load_file(path)
        elif path.suffix in (".bin", ".ckpt"):
            held = torch.load(path, weights_only=True)
            found |= held.get("state_dict", held)
    return {name[max(name.find("caduceus."), 0) :]: value for name, value in found.items()}


@pytest.mark.parametrize("name", LAYOUTS)
def test_its_weights_are_read(name: str) -> None:
    held = raw_tensors(CASES / name)
    own = published_names(load_caduceus(CASES / name))
    own = {key: value for key, value in own.items() if key.startswith("caduceus.")}
    assert len(own) > 20
    for key, value in own.items():
        assert torch.equal(value, held[key]), key


def test_a_head_of_its_own_is_named(tmp_path: Path) -> None:
    assert unread_tensors(CASES / "seqcls") == ["score.weight"]
    assert unread_tensors(CASES / "nested_bin") == []
    (tmp_path / "g.fa").write_text(">chr1\n" + "ACGTGA" * 50 + "\n")
    (tmp_path / "places.bed").write_text("chr1\t20\t60\n")
    words = ["dna", "attribute", "--checkpoint", CASES / "seqcls", "--fasta", tmp_path / "g.fa"]
    words += ["--bed", tmp_path / "places.bed", "--method", "saliency", "--out", tmp_path / "out"]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exception is None, done.exception
    assert "tensors beside the backbone (score.weight), which are not read" in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"weight_map": {"a": "gone.safetensors"}}, "1 of 1 shards are not there: ..gone.safetensors"),
        ({"weight_map": {"a": "../other/x.safetensors"}}, "must name files of its own folder"),
        ({"weight_map": {}}, "must name files of its own folder"),
        ({"weights": 1}, "not an index of shards .KeyError"),
    ],
)
def test_an_index_that_does_not_lead_to_shards_is_refused(tmp_path: Path, content: object, message: str) -> None:
    shutil.copy(CASES / "sharded" / "config.json", tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        load_caduceus(tmp_path)


def test_two_checkpoints_of_a_trainer_are_refused(tmp_path: Path) -> None:
    folder = CASES / "lightning_ckpt"
    shutil.copy(folder / "config.json", tmp_path)
    for name in ("last.ckpt", "best.ckpt"):
        shutil.copy(folder / "last.ckpt", tmp_path / name)
    with pytest.raises(InputError, match=r"and 2 .ckpt files: leave one"):
        load_caduceus(tmp_path)
