"""Patterns of two models, made of known motifs: which of them are shared is known."""

import numpy as np
import pandas as pd
import pytest
from drawn_matches import drawn_matches

from contactlens.dna.data.motif_database import jaspar_core, motif
from contactlens.dna.motifs.compare import compare_patterns, comparison_sentence
from contactlens.dna.motifs.discover import Discovery, Pattern
from contactlens.ops.params import load_params

DATABASE = jaspar_core()[::12]
CTCF, SPI1, HNF4A, GATA1 = (motif(name).probabilities for name in ("MA0139", "MA0080", "MA0114", "MA0035"))


def pattern(name: str, frequencies: np.ndarray, n_seqlets: int = 50) -> Pattern:
    flank = np.full((5, 4), 0.25)
    seqlets = pd.DataFrame({"row": range(n_seqlets)})
    pwm = np.concatenate([flank, frequencies, flank])
    return Pattern(name, pwm, pwm, (5, 5 + len(frequencies)), seqlets)


@pytest.mark.parametrize("matched", [drawn_matches, pytest.param(None, id="tomtom", marks=pytest.mark.slow)])
def test_shared_patterns_are_found_on_either_strand_and_never_across_signs(
    matched: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    if matched:
        monkeypatch.setattr("memelite.tomtom", matched)
    config = load_params().dna.motifs
    champion = Discovery([pattern("pos_0", CTCF), pattern("pos_1", SPI1), pattern("neg_0", GATA1)])
    challenger = Discovery([pattern("pos_0", HNF4A), pattern("pos_1", CTCF[::-1, ::-1]), pattern("pos_2", GATA1, 70)])
    table = compare_patterns({"champion": champion, "challenger": challenger}, DATABASE, config, seed=0)
    assert table["n_seqlets"].tolist() == [50] * 5 + [70]
    found = table.set_index(["model", "pattern"])
    assert found[found["shared"]]["counterpart"].to_dict() == {
        ("champion", "pos_0"): "pos_1",
        ("challenger", "pos_1"): "pos_0",
    }
    assert (found[found["shared"]]["q"] < 1e-6).all()
    assert np.isnan(found.loc[("champion", "neg_0"), "q"]), "the challenger has no pattern that lowers the logit"
    expected = (
        "1 of 3 patterns of the champion and 1 of 3 patterns of the challenger have a counterpart in the other model."
    )
    assert comparison_sentence(table) == expected


def test_a_model_without_patterns_shares_none() -> None:
    config = load_params().dna.motifs
    models = {"champion": Discovery([pattern("pos_0", CTCF)]), "challenger": Discovery([], "no seqlets")}
    table = compare_patterns(models, DATABASE, config, seed=0)
    assert table[["model", "counterpart", "shared"]].to_numpy().tolist() == [["champion", "", False]]
