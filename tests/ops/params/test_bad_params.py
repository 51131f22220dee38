"""Wrong values, profiles, lists of systems and workspaces are refused at the command line, and no workspace appears."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from contactlens.base.errors import InputError
from contactlens.dna.data.config import SplitConfig
from contactlens.dna.data.dataset import split_by_chromosome
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.window_set import WindowSet
from contactlens.ops.systems import load_systems, params_of
from refusal import fill, refused_in_one_line

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


SETTINGS = {
    "dna.fine_tune.trainer.learning_rte=1": "learning_rte: unknown key; did you mean learning_rate?",
    "dna.simulate.n_windos=3": "dna.simulate.n_windos: unknown key; did you mean n_windows?",
    "tracks.sweep.space.width={choic: [1]}": "tracks.sweep.space.width.choic: unknown key; did you mean choice?",
    "seed": "--set seed: expected key=value, such as",
    "=3": "--set =3: expected key=value",
    "seed=[3": "--set seed=[3: the value is not YAML (expected ',' or ']'",
    "seed=*x": "--set seed=*x: the value is not YAML (found undefined alias 'x')",
    "seed={a: 1, a: 2}": 'the value is not YAML (found duplicate key "a"',
    "seed=!!python/object/apply:os.system [x]": "the value is not YAML (could not determine a constructor",
    "seed=true": "seed: should be a valid integer, got True",
    "seed=1.5": "seed: should be a valid integer, got 1.5",
    "seed=-1": "seed must lie between 0 and 2147483647, got -1",
    "seed=99999999999": "seed must lie between 0 and 2147483647, got 99999999999",
    "dna.fine_tune=3": "dna.fine_tune: should be a mapping, got 3",
    "dna.fine_tune.trainer.max_epochs=x": "dna.fine_tune.trainer.max_epochs: should be a valid integer, got 'x'",
    "dna.fine_tune.trainer.max_epochs=0": "dna.fine_tune.trainer.max_epochs must be at least 1, got 0",
    "dna.fine_tune.trainer.learning_rate=.nan": "dna.fine_tune.trainer.learning_rate: must be finite, got nan",
    "dna.fine_tune.trainer.device=gpu": "dna.fine_tune.trainer.device must be auto or a device of torch",
    "tracks.fit.device=gpu": "tracks.fit.device must be auto or a device of torch",
    "dna.head.hidden=0": "params.yaml with dna.head.hidden=0: dna.head.hidden must be at least 1, got 0",
    "dna.split.train=0.9": "dna.split.train ... test must be positive and sum to 1, got [0.9",
    "tracks.split.train=0.9": "tracks.split: the four fractions must be positive and sum to 1, got [0.9",
    "dna.split.test_chromosomes=chr1": "dna.split.test_chromosomes: should be a valid array, got 'chr1'",
    "dna.split.test_chromosomes=[chr1, chr1]": "must name a chromosome once, got chr1 again",
    "dna.pretrain.mask_fraction=2": "dna.pretrain.mask_fraction must lie between 0 and 1, got 2",
    "dna.explain.methods=[lrpp]": "dna.explain.methods must name methods once each, of saliency, input_x_gradient",
    "dna.motifs.method=mutagenesis": "dna.motifs.method must be one of explain.stored (best)",
    "dna.motifs.window_bp=20": "dna.motifs.window_bp must hold one seqlet",
    "dna.promotion.evaluated=me": "dna.promotion.evaluated: should be 'network' or 'network_recalibrated', got 'me'",
    "dna.evaluate.confidence=95": "dna.evaluate.confidence must lie between 0 and 1, got 95",
    "dna.checks.max_distance_ks=3": "dna.checks.max_distance_ks must lie in [0, 1], got 3",
    "dna.source=download": "dna.source: should be 'simulate' or 'import', got 'download'",
    "tracks.gate.radius_bounds=[800, 20]": "tracks.gate.radius_init 250.0 must lie inside radius_bounds",
    "tracks.task=ep_to_everything": "tracks.task: unknown task 'ep_to_everything'; known: ep_to_ms2",
    "tracks.model.name=bernoulli_vae": "bernoulli_vae does not fit task ep_to_ms2",
}  # fmt: skip


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_wrong_value_is_refused(tmp_path: Path, setting: str) -> None:
    message = refused_in_one_line(tmp_path, "dna", "run", "--workspace", "@w", "--set", setting)
    assert SETTINGS[setting] in message
    assert "line " not in message, "the value stands in no line"


PROFILES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "p.yaml: must be a mapping of keys to values"),
    "list": ("- 1\n", "p.yaml: must be a mapping of keys to values"),
    "binary": (bytes(range(256)), "p.yaml: not readable as YAML"),
    "UTF-16": ("seed: 1\n".encode("utf-16"), "p.yaml: not readable as YAML"),
    "tabs": ("dna:\n\thead: 1\n", "p.yaml: line 2: not YAML: found character '\\t'"),
    "two documents": ("seed: 1\n---\nseed: 2\n", "p.yaml: line 2: not YAML: but found another document"),
    "nested": ("seed: " + "[" * 600, "p.yaml: not readable as YAML (nested too deeply)"),
    "key twice": ("seed: 1\nseed: 2\n", 'p.yaml: line 2: found duplicate key "seed"'),
    "unknown key": ("dna:\n  motif: {}\n", "p.yaml: dna.motif: unknown key; did you mean motifs?"),
    "number for a key": ("1: 2\n", "p.yaml: [1]: unknown key; known: seed, tracks, dna"),
    "nothing for a section": ("dna:\n", "p.yaml: dna: should be a mapping, got None"),
    "section in itself": ("dna: &x\n  split: *x\n", "p.yaml: dna.split: should be a mapping"),
    "tag of Python": ("seed: !!python/object/apply:os.system ['x']\n", "seed: should be a valid integer, got ['x']"),
    "wrong value": ("dna: {head: {hidden: 0}}\n", "p.yaml: dna.head.hidden must be at least 1, got 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", PROFILES)
def test_a_wrong_profile_is_refused(tmp_path: Path, name: str) -> None:
    content, says = PROFILES[name]
    fill(tmp_path, {"p.yaml": content})
    assert says in refused_in_one_line(tmp_path, "tracks", "run", "--workspace", "@w", "--profile", "@p.yaml")


def test_a_missing_profile_and_a_folder_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, {"d.yaml/x": ""})
    for name in ("nope", "@nope.yaml", "@d.yaml"):
        assert "no such profile; known are ctcf, dilated_cnn" in refused_in_one_line(
            tmp_path, "run", "--workspace", "@w", "--profile", name
        )


WORKSPACES = {
    "@mine": "mine: exists and is not a workspace",
    "@file": "file: is a file",
    "@file/w": "w: is a file, or lies",
}


@pytest.mark.parametrize("workspace", WORKSPACES)
def test_a_place_that_can_be_no_workspace_is_refused(tmp_path: Path, workspace: str) -> None:
    fill(tmp_path, {"mine/thesis.txt": "x", "file": "x"})
    assert WORKSPACES[workspace] in refused_in_one_line(tmp_path, "run", "--workspace", workspace)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("tracks", "run", "@t.csv", "--track", "cell", "--time", "t", "--scalar", "y"), "needs a unit, such as a.u."),
        (("tracks", "run", "@t.csv"), "t.csv: name the columns that hold the track and the time"),
        (("dna", "run", "@t.csv", "--fasta", "@t.csv", "--window-bp", 9), "t.csv: no column 'chrom'"),
        (("dna", "run", "@t.bed", "--window-bp", 9), "t.bed: intervals need a genome FASTA"),
        (("dna", "run", "--checkpoint", "@absent"), "absent: no such folder"),
    ],
)  # fmt: skip
def test_own_data_that_can_t_be_read_leave_no_workspace(tmp_path: Path, command: tuple[Any, ...], says: str) -> None:
    fill(tmp_path, {"t.csv": "cell,t,y\na,0,1\n", "t.bed": "chr1\t5\t9\n"})
    assert says in refused_in_one_line(tmp_path, *command, "--workspace", "@w")


SYSTEMS: dict[str, tuple[str, str]] = {
    "no list": ("system: []\n", "systems.yaml: line 1: system: unknown key; did you mean systems?"),
    "a mapping": ("systems: {task: toy}\n", "systems.yaml: line 1: systems: should be a valid array"),
    "no model": ("systems:\n- {task: toy}\n", "systems.yaml: line 2: systems[0].model: missing"),
    "unknown key": ("systems:\n- {task: toy, modle: unet}\n", "systems[0].modle: unknown key; did you mean model?"),
    "number for a task": ("systems:\n- {task: 3, model: unet}\n", "systems[0].task: should be a valid string, got 3"),
    "unknown task": ("systems:\n- {task: toys, model: unet}\n", "systems.yaml, task toys, model unet: "),
    "wrong change": (
        "systems:\n- {task: toy, model: unet, changes: {fit: {max_epochs: 0}}}\n",
        "tracks.fit.max_epochs must be at least 1, got 0",
    ),
    "unknown change": (
        "systems:\n- {task: toy, model: unet, changes: {fti: {}}}\n",
        "systems.yaml, task toy, model unet: tracks.fti={}: tracks.fti: unknown key; did you mean fit?",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_wrong_list_of_systems_is_refused(tmp_path: Path, name: str) -> None:
    content, says = SYSTEMS[name]
    fill(tmp_path, {"systems.yaml": content})
    with pytest.raises(InputError) as error:
        for row in load_systems(tmp_path / "systems.yaml"):
            params_of(row, ROOT / "params.yaml", [])
    assert says in str(error.value) and "\n" not in str(error.value)


def windows_on(*chroms: str) -> WindowSet:
    rows = [(f"{chrom}_{i}", chrom, 10 * i, 10 * i + 10, i % 2, chrom, 0) for chrom in chroms for i in range(4)]
    columns = ["window_id", "chrom", "win_start", "win_end", "label", "record", "record_start"]
    genome = Genome.of(dict.fromkeys(chroms, 10 * "ACGT"))
    return WindowSet("region", pd.DataFrame(rows, columns=columns), genome, "made here", {}, None)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("chroms", "named", "says"),
    [
        (["chr1"], (), "every split needs both labels, but validation has 0 negative and 0 positive windows"),
        (["chr1", "chr2", "chr3"], (), "every split needs both labels"),
        (["chr1", "chr2", "chr3", "chr4"], ("chr9",), "split: no windows on chr9; there are chr1 (2 negative, 2"),
        (["chr1", "chr2"], ("chr1", "chr2"), "train has 0 negative and 0 positive windows"),
    ],
)  # fmt: skip
def test_a_split_that_can_t_be_is_refused(chroms: list[str], named: tuple[str, ...], says: str) -> None:
    with pytest.raises(InputError) as error:
        split_by_chromosome(windows_on(*chroms), SplitConfig(0.4, 0.2, 0.2, 0.2, named, (), ()), 0)
    assert says in str(error.value)
