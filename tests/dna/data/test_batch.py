import pandas as pd
import torch

from contactlens.dna.data.batch import WindowBatch, batch_of
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.tokens import decode
from contactlens.dna.data.window_set import WindowSet


def window_set(task: str) -> WindowSet:
    """Two windows of 8 bases; the record starts at base 100 of its chromosome."""
    columns: dict[str, list] = {
        "window_id": ["one", "two"],
        "chrom": ["c"] * 2,
        "win_start": [100, 104],
        "win_end": [108, 112],
        "label": [1, 0],
        "record": ["c:100"] * 2,
        "record_start": [100] * 2,
    }
    if task == "pair":
        columns |= {"enh_rel_start": [0, 5], "enh_rel_end": [2, 8], "prom_rel_start": [4, 0], "prom_rel_end": [5, 3]}
    genome = Genome.of({"c:100": "ACGTNACCTTGR"})
    return WindowSet(task, pd.DataFrame(columns), genome, "made here", {}, None)


def test_pair_gives_tokens_and_a_mask_per_element() -> None:
    batch = batch_of(window_set("pair"))
    assert batch.ids.tolist() == [[7, 8, 9, 10, 4, 7, 8, 8], [4, 7, 8, 8, 10, 10, 9, 6]]
    assert batch.regions.int().tolist() == [
        [[1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0, 0]],
        [[0, 0, 0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0, 0]],
    ]
    assert batch.label.tolist() == [1.0, 0.0]
    assert (batch.ids.dtype, batch.regions.dtype, batch.label.dtype) == (torch.int64, torch.bool, torch.float32)


def test_region_is_the_whole_window() -> None:
    batch = batch_of(window_set("region"))
    assert batch.regions.shape == (2, 1, 8)
    assert batch.regions.all()


def test_windows_come_in_the_order_they_are_named_in() -> None:
    batch = batch_of(window_set("pair"), ["two", "one"])
    whole = batch_of(window_set("pair"))
    assert batch.window_ids == ["two", "one"]
    assert len(batch_of(window_set("pair"), ["two"])) == 1
    again = batch.select([1, 0])
    assert again.window_ids == whole.window_ids
    for name in ("ids", "regions", "label"):
        assert torch.equal(getattr(again, name), getattr(whole, name))


def test_reverse_complement_mirrors_bases_and_regions() -> None:
    batch = batch_of(window_set("pair"))
    other = batch.reverse_complement()
    assert decode(other.ids[0].numpy()) == "GGT.ACGT"
    inside = [decode(other.ids[0][region].numpy()) for region in other.regions[0]]
    assert inside == ["GT", "."]  # AC, and the unknown base
    assert torch.equal(other.reverse_complement().ids, batch.ids)
    assert isinstance(other.to("cpu"), WindowBatch)
