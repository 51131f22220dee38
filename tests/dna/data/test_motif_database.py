"""JASPAR as pyjaspar ships it."""

import socket

import numpy as np
import pytest

from contactlens.base.errors import InputError
from contactlens.dna.data.motif_database import PSEUDOCOUNT, jaspar_core, motif

CTCF_G = [449, 21, 0, 65, 334, 48, 32, 903, 566, 504, 890, 775, 5, 507, 307]  # MA0139.2 on jaspar.elixir.no, row G


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the database must not reach for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_a_matrix_is_the_published_one() -> None:
    ctcf = motif("MA0139.2")
    assert (ctcf.matrix_id, ctcf.name, len(ctcf)) == ("MA0139.2", "CTCF", 15)
    assert ctcf.counts.shape == (15, 4) and ctcf.counts.dtype == np.float64
    assert ctcf.counts[:, 2].tolist() == CTCF_G


def test_probabilities_hold_a_quarter_of_the_pseudocount_for_each_base() -> None:
    ctcf = motif("MA0139.2")
    assert np.allclose(ctcf.probabilities.sum(axis=1), 1, rtol=0, atol=1e-12) and (ctcf.probabilities > 0).all()
    g = (np.array(CTCF_G) + 0.25) / (ctcf.counts.sum(axis=1) + PSEUDOCOUNT)
    assert np.allclose(ctcf.probabilities[:, 2], g, rtol=1e-12)


def test_information_is_two_bits_less_the_entropy_at_each_position() -> None:
    spi1 = motif("MA0080.7")
    entropy = -(spi1.probabilities * np.log2(spi1.probabilities)).sum()
    assert spi1.information_bits == pytest.approx(2 * len(spi1) - entropy)


def test_without_a_version_the_newest() -> None:
    assert motif("MA0139").matrix_id == "MA0139.2"
    assert len(motif("MA0139.1")) == 19  # an older version stays readable


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("MA0139.9", "did you mean MA0139.2 (CTCF)?"),
        ("znf143", "MA0088.3 (ZNF143)"),
        ("MA9999.1", "ids look like MA0139.2"),
        ("", "ids look like"),
        ("O'Brien", "ids look like"),
    ],
)
def test_unknown_ids_are_named_with_what_may_be_meant(word: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        motif(word)
    assert repr(word) in str(error.value) and said in str(error.value)


def test_core_holds_each_motif_once_in_its_newest_version() -> None:
    core = jaspar_core("vertebrates")
    ids = [one.matrix_id for one in core]
    assert len(core) > 800 and ids == sorted(ids)
    assert len({one.split(".")[0] for one in ids}) == len(ids)
    held = {"MA0139.2", "MA0080.7", "MA1494.2", "MA0088.3", "MA0140.3", "MA0506.3"}
    assert held <= set(ids)
    with pytest.raises(InputError, match="tax_group 'mammals'"):
        jaspar_core("mammals")
