"""Each fault in a window set fails the expectation made for it, with count and rows, and nothing else."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contactlens.base.errors import InputError
from contactlens.dna.data.checks import CheckResult, check_windows, validate_windows
from contactlens.dna.data.config import CheckLimits
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.names import Task
from contactlens.dna.data.window_set import WINDOW_COLUMNS, WindowSet
from contactlens.dna.simulation.config import SimulationConfig
from contactlens.dna.simulation.simulate import simulate_windows

LIMITS = CheckLimits(
    max_window_n_fraction=0.1,
    max_element_n_fraction=0.05,
    max_distance_ks=0.3,
    max_shared_element_fraction=0.0,
    min_windows_per_label=3,
)
SPLITS = {"train": [f"w{i}" for i in range(16)], "test": [f"w{i}" for i in range(16, 32)]}
Fault = Callable[[WindowSet], WindowSet]


def sound(task: Task = "pair") -> WindowSet:
    """32 windows of 200 bp, 8 on each of 4 chromosomes; neighbours of either label have the same distance."""
    rng = np.random.default_rng(5)
    genome = {f"chr{i}": "".join(rng.choice(list("ACGT"), 2000)) for i in range(1, 5)}
    number = np.arange(32)
    chrom = [f"chr{1 + i // 8}" for i in number]
    start = 200 * (number % 8) + 100
    table = pd.DataFrame({"window_id": [f"w{i}" for i in number], "chrom": chrom, "win_start": start})
    table["win_end"] = start + 200
    if task == "pair":
        table["enh_rel_start"], table["prom_rel_start"] = 10, 80 + 10 * (number // 2 % 8)
        table["enh_rel_end"], table["prom_rel_end"] = 40, table["prom_rel_start"] + 30
    table = table.assign(label=number % 2, record=chrom, record_start=0)
    return WindowSet(
        task, table[list(WINDOW_COLUMNS[task])].astype({"label": "int64"}), Genome.of(genome), "made up", {}, None
    )


def put(column: str, rows: list[int], value: object) -> Fault:
    def fault(one: WindowSet) -> WindowSet:
        one.windows.loc[rows, column] = value
        return one

    return fault


def shift(column: str, rows: list[int], by: int) -> Fault:
    def fault(one: WindowSet) -> WindowSet:
        one.windows.loc[rows, column] += by
        return one

    return fault


def spell(chrom: str, start: int, bases: str) -> Fault:
    """Write bases into the genome."""

    def fault(one: WindowSet) -> WindowSet:
        genome = {name: one.genome.fetch(name, 0, length) for name, length in one.genome.lengths.items()}
        genome[chrom] = genome[chrom][:start] + bases + genome[chrom][start + len(bases) :]
        return replace(one, genome=Genome.of(genome))

    return fault


def both(*faults: Fault) -> Fault:
    def fault(one: WindowSet) -> WindowSet:
        for each in faults:
            one = each(one)
        return one

    return fault


def only(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Fault:
    return lambda one: replace(one, windows=change(one.windows))


def same_pair(one: WindowSet) -> WindowSet:
    """Window 9 is window 8 moved by 5 bp; the pair stays where it is."""
    one.windows.loc[9] = one.windows.loc[8]
    one.windows.loc[9, "window_id"] = "w9"
    one.windows.loc[9, ["win_start", "win_end"]] += 5
    one.windows.loc[9, ["enh_rel_start", "enh_rel_end", "prom_rel_start", "prom_rel_end"]] -= 5
    return one


def copied_element(one: WindowSet) -> WindowSet:
    """The enhancer of window 0 (chr1:110-140) in place of that of window 16 (chr3:110-140), on the other strand."""
    bases = one.genome.fetch("chr1", 110, 140)
    return spell("chr3", 110, bases[::-1].translate(str.maketrans("ACGT", "TGCA")))(one)


KEY = "chrom, enh_start, enh_end, prom_start, prom_end"
FAULTS: dict[str, tuple[Fault, dict[tuple[str, str], int]]] = {
    "column missing": (
        only(lambda table: table.drop(columns="prom_rel_end")),
        {("", "table_columns_to_match_set"): 1},
    ),
    "number for text": (only(lambda table: table.assign(chrom=1)), {("chrom", "be_of_type"): 1}),
    "fractional label": (only(lambda table: table.astype({"label": float})), {("label", "be_of_type"): 1}),
    "no windows": (only(lambda table: table.iloc[:0]), {("", "table_row_count_to_be_between"): 1}),
    "blank id": (put("window_id", [3], " "), {("window_id", "match_regex"): 1}),
    "no chromosome": (put("chrom", [3, 4], None), {("chrom", "not_be_null"): 2}),
    "repeated id": (put("window_id", [3], "w4"), {("window_id", "be_unique"): 2}),
    "label 2": (put("label", [3, 4, 5], 2), {("label", "be_in_set"): 3}),
    "one label only": (
        put("label", list(range(32)), 1),
        {("label", "column_distinct_values_to_contain_set"): 1},
    ),
    "a longer window": (shift("win_end", [6], 1), {("window_bp", "be_between"): 1}),
    "record not in the FASTA": (put("record", [1, 2], "chr9"), {("record_bp", "not_be_null"): 2}),
    "before the chromosome": (
        both(shift("win_start", [0], -150), shift("win_end", [0], -150)),
        {("win_start", "be_between"): 1, ("start_in_record", "be_between"): 1},
    ),
    "before its record": (put("record_start", [0], 150), {("start_in_record", "be_between"): 1}),
    "beyond its record": (
        both(shift("win_start", [7], 400), shift("win_end", [7], 400)),
        {("bp_beyond_record", "be_between"): 1},
    ),
    "enhancer before the window": (shift("enh_rel_start", [2], -11), {("enh_rel_start", "be_between"): 1}),
    "promoter beyond the window": (
        put("prom_rel_end", [2, 3], 201),
        {("prom_bp_beyond_window", "be_between"): 2},
    ),
    "empty enhancer": (put("enh_rel_end", [2], 10), {("enh_bp", "be_between"): 1}),
    "backward promoter": (put("prom_rel_end", [30], 149), {("prom_bp", "be_between"): 1}),
    "overlapping elements": (put("enh_rel_end", [0], 81), {("bp_between_elements", "be_between"): 1}),
    "same pair twice": (same_pair, {(KEY, "compound_columns_to_be_unique"): 2}),
    # Window 9 is chr2:300-500, its enhancer 310-340, its promoter 420-450.
    "N in a window": (spell("chr2", 450, "N" * 25), {("n_fraction", "be_between"): 1}),
    "N in an enhancer": (spell("chr2", 311, "NN"), {("enh_n_fraction", "be_between"): 1}),
    "IUPAC letters in an enhancer": (spell("chr2", 311, "RY"), {("enh_n_fraction", "be_between"): 1}),
    "N in a promoter": (spell("chr2", 429, "NNNN"), {("prom_n_fraction", "be_between"): 1}),
    "distance tells the label": (
        both(put("prom_rel_start", list(range(1, 32, 4)), 165), put("prom_rel_end", list(range(1, 32, 4)), 195)),
        {("distance_ks", "be_between"): 1},
    ),
    "an element in two splits": (copied_element, {("shared_elements", "be_between"): 2}),
}
SPLIT_FAULTS: dict[str, tuple[dict[str, list[str]], dict[tuple[str, str], int]]] = {
    "a window that is not there": ({**SPLITS, "test": [*SPLITS["test"], "x1"]}, {("chrom", "not_be_null"): 1}),
    "a window twice": (
        {**SPLITS, "test": [*SPLITS["test"], "w16"]},
        {("window_id", "be_unique"): 2},
    ),
    "a chromosome in two splits": (
        {"train": SPLITS["train"][:12], "test": [*SPLITS["train"][12:], *SPLITS["test"]]},
        {("splits_of_chrom", "be_between"): 8},
    ),
    "too few of a label": (
        {"train": SPLITS["train"], "test": [*SPLITS["test"][::2], "w17", "w19"]},
        {("windows", "be_between"): 1},
    ),
    "an empty split": ({**SPLITS, "calibration": []}, {("windows", "be_between"): 2}),
}


def failures(result: CheckResult) -> dict[tuple[str, str], int]:
    """(column, expectation without its prefix) -> count."""
    failed = [one for one in result.results if not one.success]
    prefixes = "expect_column_values_to_", "expect_"
    names = [one.expectation.removeprefix(prefixes[0]).removeprefix(prefixes[1]) for one in failed]
    return {(one.column, name): one.count for one, name in zip(failed, names, strict=True)}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_fails_its_own_expectation(name: str) -> None:
    fault, expected = FAULTS[name]
    result = check_windows(fault(sound()), LIMITS, "lab/windows.parquet", SPLITS)
    assert failures(result) == expected
    with pytest.raises(InputError) as error:
        result.require_success()
    message = str(error.value)
    assert message.startswith("lab/windows.parquet: ") and message.count("\n") == len(expected)
    for (column, expectation), count in expected.items():
        assert f"column {column!r}" in message or not column
        assert expectation in message and f"{count:,} offending" in message


@pytest.mark.parametrize("name", SPLIT_FAULTS)
def test_each_faulty_split_fails_its_own_expectation(name: str) -> None:
    splits, expected = SPLIT_FAULTS[name]
    assert failures(check_windows(sound(), LIMITS, "windows", splits)) == expected


@pytest.mark.parametrize("task", ["pair", "region"])
def test_sound_windows_pass(task: Task) -> None:
    result = validate_windows(sound(task), LIMITS, "windows", SPLITS)
    assert result.success and result.counts == {"windows": 32}
    assert check_windows(sound(task), LIMITS, "windows").success
    extra = sound(task)
    extra.windows["score"] = 1.0
    assert check_windows(extra, LIMITS, "windows").success


def test_simulated_windows_are_sound() -> None:
    config = SimulationConfig(n_chromosomes=4, n_windows=400, n_unlabelled=20)
    made = simulate_windows(config, 0)
    chrom = made.windows["chrom"]
    splits = {name: made.windows["window_id"][chrom == f"sim{i}"].tolist() for i, name in enumerate("abcd", 1)}
    assert validate_windows(made, LIMITS, "simulated", splits).success


def test_regions_may_not_repeat() -> None:
    one = sound("region")
    one.windows.loc[5, ["win_start", "win_end"]] = one.windows.loc[4, ["win_start", "win_end"]]
    assert failures(check_windows(one, LIMITS, "x")) == {
        ("record, win_start, win_end", "compound_columns_to_be_unique"): 2
    }


def test_records_that_hold_one_window_each_are_read_from_their_own_first_base() -> None:
    one = sound()
    peaks = {f"peak{i}": bases for i, bases in enumerate(one.sequences())}
    peaks["peak3"] = "N" * 30 + peaks["peak3"][30:]
    table = one.windows.assign(record=list(peaks), record_start=one.windows["win_start"])
    result = check_windows(replace(one, windows=table, genome=Genome.of(peaks)), LIMITS, "x")
    assert failures(result) == {("n_fraction", "be_between"): 1, ("enh_n_fraction", "be_between"): 1}
    (example,) = next(row.examples for row in result.results if row.column == "enh_n_fraction")
    assert example == {"window_id": "w3", "value": pytest.approx(20 / 30)}


def test_limits_are_what_lets_leaks_and_distances_pass() -> None:
    shared = copied_element(sound())
    lenient = replace(LIMITS, max_shared_element_fraction=2 / 32)
    assert check_windows(shared, lenient, "x", SPLITS).success
    apart = FAULTS["distance tells the label"][0](sound())
    assert check_windows(apart, replace(LIMITS, max_distance_ks=0.6), "x").success


def test_the_distance_statistic_is_the_largest_gap_between_the_distributions() -> None:
    apart = FAULTS["distance tells the label"][0](sound())
    result = check_windows(apart, LIMITS, "x")
    (failed,) = (one for one in result.results if not one.success)
    positive, distance = apart.windows["label"] == 1, apart.distances()
    gaps = [abs((distance[positive] <= d).mean() - (distance[~positive] <= d).mean()) for d in distance]
    assert failed.examples == [{"value": pytest.approx(max(gaps))}]


def test_the_message_names_file_column_expectation_count_and_rows() -> None:
    one = put("label", [3, 4, 5, 7], -1)(sound())
    with pytest.raises(InputError) as error:
        validate_windows(put("record", [1], "chrM")(one), LIMITS, "data/dna/windows.parquet")
    first, *lines = str(error.value).splitlines()
    assert first.startswith("data/dna/windows.parquet: 2 of ") and len(lines) == 2
    (labels,) = (line for line in lines if "'label'" in line)
    assert "expected that labels are 0 or 1 (expect_column_values_to_be_in_set); 4 offending (12.5 %)" in labels
    assert "window_id w3, label -1; window_id w4, label -1; window_id w5, label -1" in labels


def test_result_and_data_docs_have_the_same_bytes_every_time(tmp_path: Path) -> None:
    def write(folder: Path) -> dict[str, bytes]:
        check_windows(sound(), LIMITS, "windows", SPLITS, folder / "docs").write(folder / "validation.json")
        return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    first, second = write(tmp_path / "a"), write(tmp_path / "b")
    assert first == second
    names = ("schema", "windows", "sequences", "classes", "splits", "split_labels", "split_elements", "index")
    assert set(first) == {"validation.json", *(f"{name}.html" for name in names)}
    assert "<h1>Windows: Data Docs</h1>" in first["index.html"].decode()
    content = json.loads(first["validation.json"])
    assert content["success"] and content["windows"] == 32


def test_failed_validation_leaves_no_data_docs(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        validate_windows(put("label", [3], 2)(sound()), LIMITS, "x", data_docs=tmp_path / "docs")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change", [{"max_distance_ks": 1.5}, {"max_window_n_fraction": -1}, {"min_windows_per_label": 0}]
)
def test_senseless_limits_are_refused(change: dict) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(change))} must"):
        replace(LIMITS, **change)
