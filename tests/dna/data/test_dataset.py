"""Chromosomes are split whole, near the wanted shares, with both labels everywhere; copies across splits are found."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contactlens.base.errors import InputError
from contactlens.dna.data.config import SPLITS, SplitConfig
from contactlens.dna.data.dataset import leaking_elements, split_by_chromosome
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.window_set import WindowSet

SHARES = {"train": 0.6, "validation": 0.1, "calibration": 0.1, "test": 0.2}


def config(**named: tuple[str, ...]) -> SplitConfig:
    chosen = {f"{name}_chromosomes": named.get(name, ()) for name in SPLITS[1:]}
    return SplitConfig(**SHARES, **chosen)


def regions(sizes: dict[str, int], length: int = 12, seed: int = 0) -> WindowSet:
    """Random windows one after the other on each chromosome, labels by turns."""
    rng = np.random.default_rng(seed)
    genome = Genome.of({chrom: "".join(rng.choice(list("ACGT"), n * length)) for chrom, n in sizes.items()})
    rows = [(chrom, i * length, i % 2) for chrom, n in sizes.items() for i in range(n)]
    table = pd.DataFrame(rows, columns=["chrom", "win_start", "label"])
    table = table.assign(
        window_id=[f"{chrom}_{start}" for chrom, start, _ in rows],
        win_end=table["win_start"] + length,
        record=table["chrom"],
        record_start=0,
    )
    return WindowSet("region", table, genome, "made up", {}, None)


def chromosomes(windows: WindowSet, ids: list[str]) -> set[str]:
    return set(windows.select(ids).windows["chrom"])


@settings(max_examples=40)
@given(st.lists(st.integers(2, 60), min_size=8, max_size=25), st.integers(0, 5))
def test_every_window_is_in_one_split_and_no_chromosome_in_two(sizes: list[int], seed: int) -> None:
    windows = regions({f"chr{i}": n for i, n in enumerate(sizes)})
    splits = split_by_chromosome(windows, config(), seed)
    assert tuple(splits) == SPLITS
    ids = [name for part in splits.values() for name in part]
    assert sorted(ids) == sorted(windows.windows["window_id"])
    held = [chromosomes(windows, part) for part in splits.values()]
    assert sum(map(len, held)) == len(sizes)
    assert all(set(windows.select(part).windows["label"]) == {0, 1} for part in splits.values())
    assert splits == split_by_chromosome(windows, config(), seed)
    # A split that has its share is given no further chromosome, so it exceeds that by less than the largest one.
    for name, part in splits.items():
        assert len(part) - SHARES[name] * sum(sizes) <= max(sizes)


def test_shares_come_near_for_the_human_chromosomes() -> None:
    megabases = [249, 243, 198, 191, 181, 171, 159, 146, 141, 136, 135, 134, 115, 107, 103, 90, 81, 78, 59, 63, 48, 51]
    windows = regions({f"chr{i + 1}": n for i, n in enumerate(megabases)}, length=4)
    splits = split_by_chromosome(windows, config(), 0)
    for name, part in splits.items():
        assert abs(len(part) / sum(megabases) - SHARES[name]) < 0.02
    assert splits != split_by_chromosome(windows, config(), 1)


def test_named_chromosomes_are_the_whole_of_their_split() -> None:
    windows = regions({f"chr{i}": 20 for i in range(10)})
    splits = split_by_chromosome(windows, config(test=("chr3", "chr7"), validation=("chr1",)), 0)
    assert chromosomes(windows, splits["test"]) == {"chr3", "chr7"}
    assert chromosomes(windows, splits["validation"]) == {"chr1"}
    assert len(chromosomes(windows, splits["calibration"])) == 1
    assert len(chromosomes(windows, splits["train"])) == 6


def test_both_labels_reach_every_split_where_that_is_possible() -> None:
    windows = regions({f"chr{i}": 10 for i in range(12)})
    only_positive = windows.windows["chrom"].isin([f"chr{i}" for i in range(8)])
    table = windows.windows.assign(label=np.where(only_positive, 1, windows.windows["label"]))
    lopsided = WindowSet("region", table, windows.genome, "made up", {}, None)
    splits = split_by_chromosome(lopsided, config(), 0)
    assert all(set(lopsided.select(part).windows["label"]) == {0, 1} for part in splits.values())


@pytest.mark.parametrize(
    ("sizes", "named", "message"),
    [
        (
            {"chrA": 4, "chrB": 4, "chrC": 4},
            {},
            r"every split needs both labels, but .* chrA \(2 negative, 2 positive\)",
        ),
        ({"chrA": 1, "chrB": 1, "chrC": 9, "chrD": 9}, {}, "has 1 negative and 0 positive windows"),
        ({"chrA": 4, "chrB": 4}, {"test": ("chr9",)}, r"no windows on chr9; there are chrA \(2 negative, 2 positive\)"),
        ({"chrA": 4, "chrB": 4}, {"test": ("chrA", "chrB")}, "train has 0 negative and 0 positive"),
    ],
)
def test_a_split_that_is_not_possible_is_refused(
    sizes: dict[str, int], named: dict[str, tuple[str, ...]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        split_by_chromosome(regions(sizes), config(**named), 0)


def test_nonsense_configurations_are_refused() -> None:
    with pytest.raises(ValueError, match=r"SplitConfig\.train .* sum to 1"):
        SplitConfig(0.6, 0.1, 0.1, 0.1, (), (), ())
    with pytest.raises(ValueError, match=r"must be positive"):
        SplitConfig(0.9, 0.1, 0.0, 0.0, (), (), ())
    with pytest.raises(ValueError, match=r"got chr2 again"):
        config(test=("chr1", "chr2"), calibration=("chr2",))


def pair_set(sequences: dict[str, str]) -> WindowSet:
    """One window of the whole of each record: enhancer [2, 24), promoter [30, 52)."""
    names = list(sequences)
    table = pd.DataFrame({"window_id": names, "chrom": names, "win_start": 0, "win_end": 60, "record": names})
    table = table.assign(enh_rel_start=2, enh_rel_end=24, prom_rel_start=30, prom_rel_end=52, record_start=0)
    return WindowSet("pair", table.assign(label=0), Genome.of(sequences), "made up", {}, None)


def test_leaking_elements_finds_copies_on_either_strand_across_splits_only() -> None:
    rng = np.random.default_rng(4)
    bases = {name: list("".join(rng.choice(list("ACGT"), 60))) for name in "abcd"}
    bases["b"][2:24] = bases["a"][2:24]  # same enhancer, same split
    bases["c"][30:52] = ["TGCA"["ACGT".index(x)] for x in reversed(bases["a"][2:24])]  # as a promoter, other strand
    bases["d"][2:24] = bases["c"][2:24] = ["N"] * 22  # nothing known
    windows = pair_set({name: "".join(letters) for name, letters in bases.items()})
    leaks = leaking_elements(windows, {"train": ["b", "a"], "validation": [], "test": ["c", "d"]})
    assert leaks[["group", "split", "window_id", "element", "start", "end"]].to_numpy().tolist() == [
        [0, "train", "b", "enhancer", 2, 24],
        [0, "train", "a", "enhancer", 2, 24],
        [0, "test", "c", "promoter", 30, 52],
    ]


def test_elements_too_short_to_be_copies_are_no_leak() -> None:
    """Of 22 bases, 20 known ones make a copy and 19 are alike by chance."""
    for known, leaked in ((20, 2), (19, 0)):
        bases = "A" * 2 + ("ACGTTGCAAC" * 2)[:known] + "N" * (58 - known)
        windows = pair_set(dict.fromkeys("ab", bases))
        leaks = leaking_elements(windows, {"train": ["a"], "validation": [], "test": ["b"]})
        assert len(leaks) == leaked


def test_splits_by_chromosome_of_random_windows_do_not_leak() -> None:
    windows = regions({f"chr{i}": 6 for i in range(9)}, length=30)
    assert leaking_elements(windows, split_by_chromosome(windows, config(), 0)).empty
    copied = windows.windows.assign(record="chr0", record_start=windows.windows["win_start"])
    same = WindowSet("region", copied.assign(win_start=0, win_end=30, record_start=0), windows.genome, "x", {}, None)
    assert len(leaking_elements(same, split_by_chromosome(same, config(), 0))) == 54
