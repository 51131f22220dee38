"""The mutated region: effects in closed form, its files, and regions that can't be had."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig
import pytest
from PIL import Image
from word_model import WORD, WordModel

from contactlens.base.errors import InputError
from contactlens.dna.data.genome import Genome
from contactlens.dna.data.importing.intervals import GenomicInterval
from contactlens.dna.serving.region_mutagenesis import (
    RegionMutagenesis,
    parse_region,
    region_mutagenesis,
    window_of_region,
)

BASES = "".join(np.random.default_rng(4).choice(list("ACGT"), 300))
BASES = BASES[:100] + WORD + BASES[108:250] + "N" + BASES[251:]
GENOME = Genome.of({"c1": BASES})
REGION = ("c1", 95, 115)


def mutated() -> RegionMutagenesis:
    window = window_of_region(REGION, GENOME, 80)
    assert (window.start, window.end, window.elements) == (65, 145, ((65, 145),))
    return region_mutagenesis(WordModel(), GENOME, REGION, window, 8)


def test_only_the_bases_of_the_word_matter() -> None:
    found = mutated()
    assert found.score == 2.0
    table = found.table
    assert table["pos"].tolist() == list(range(96, 116)) and "".join(table["base"]) == BASES[95:115]
    in_word = table["pos"].between(101, 108)
    for row in table.to_dict("records"):
        expected = -2.0 if 101 <= row["pos"] <= 108 else 0.0
        assert all(row[letter] == (0.0 if letter == row["base"] else expected) for letter in "ACGT")
    np.testing.assert_array_equal(table["contribution"], np.where(in_word, 1.5, 0.0))


def test_files_agree_with_the_table(tmp_path: Path) -> None:
    found = mutated()
    png, csv, bigwig = found.write(tmp_path / "ism", GENOME)
    pd.testing.assert_frame_equal(pd.read_csv(csv), found.table, check_dtype=False)
    with Image.open(png) as image:
        assert min(image.size) > 300
    track = pyBigWig.open(str(bigwig))
    assert track.chroms() == {"c1": 300}
    assert track.intervals("c1")[0][:2] == (95, 96)
    np.testing.assert_array_equal(track.values("c1", 95, 115), found.table["contribution"])
    track.close()
    first = png.read_bytes()
    found.write(tmp_path / "ism", GENOME)
    assert png.read_bytes() == first


def test_the_region_is_read_as_browsers_write_it() -> None:
    assert parse_region("chr1:1,001-1,200") == ("chr1", 1000, 1200)
    assert parse_region(" chrX:5-5 ") == ("chrX", 4, 5)
    for text in ("chr1", "chr1:5", "chr1:a-b", "chr1 5 9", "chr1:-5-9"):
        with pytest.raises(InputError, match="write it as chr1:1001-1200"):
            parse_region(text)
    for text in ("chr1:0-5", "chr1:9-5"):
        with pytest.raises(InputError, match="first base must be 1 or more and not behind its last"):
            parse_region(text)


def test_regions_that_are_not_there() -> None:
    with pytest.raises(InputError, match="region c1:291-310 lies beyond its records"):
        window_of_region(("c1", 290, 310), GENOME, 80)
    with pytest.raises(InputError, match="region chrc1:1-10 is on no record"):
        window_of_region(("chrc1", 0, 10), GENOME, None)
    given = [GenomicInterval("c1", "w", 50, 150, ((60, 80),), "c1", 0)]
    assert window_of_region(("c1", 60, 150), GENOME, given) is given[0]
    with pytest.raises(InputError, match="region c1:61-151: no window holds all of it"):
        window_of_region(("c1", 60, 151), GENOME, given)


def test_a_window_at_the_end_of_its_record_is_shorter() -> None:
    assert window_of_region(("c1", 280, 300), GENOME, 80).id == "c1:250-300"
    assert window_of_region(("c1", 280, 300), GENOME, None).id == "c1:280-300"
