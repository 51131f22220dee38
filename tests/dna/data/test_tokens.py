import json

import numpy as np
import torch

from contactlens.dna.data.tokens import (
    COMPLEMENT,
    decode,
    encode,
    one_hot_bases,
    reverse_complement_ids,
    unknown_as_pad,
)
from reference_files import SMALL

GOLDEN = SMALL / "caduceus" / "tokenizer_golden.json"


def test_published_tokenizer_gives_the_same_ids() -> None:
    golden = json.loads(GOLDEN.read_text())
    for text in ("ACGTN", "acgtnRYX-", "", "A"):
        assert encode(text).tolist() == golden[text]["no_special"]
    assert {token: COMPLEMENT[int(token)] for token in golden["_complement_map"]} == golden["_complement_map"]


def test_case_is_ignored_and_what_is_no_base_is_unknown() -> None:
    assert encode("acgtnACGTN").tolist() == [7, 8, 9, 10, 11] * 2
    assert encode("RYX-*é€\n ").tolist() == [6] * 9
    assert encode("ACGT").dtype == np.uint8


def test_decoding_undoes_encoding() -> None:
    assert decode(encode("ACGTNNTGCA")) == "ACGTNNTGCA"
    assert decode(np.array([0, 4, 6, 7])) == "..?A"


def test_complement_is_an_involution_that_keeps_special_tokens() -> None:
    assert COMPLEMENT[COMPLEMENT].tolist() == list(range(16))
    assert [t for t in range(16) if COMPLEMENT[t] != t] == [7, 8, 9, 10]


def test_reverse_complement_reads_the_other_strand() -> None:
    ids = torch.from_numpy(np.stack([encode("AACGN"), encode("TTTCC")])).long()
    other = reverse_complement_ids(ids)
    assert [decode(row.numpy()) for row in other] == ["NCGTT", "GGAAA"]
    assert torch.equal(reverse_complement_ids(other), ids)


def test_unknown_bases_become_padding_and_nothing_else_changes() -> None:
    padded = unknown_as_pad(encode("ACNNGR"))
    assert padded.tolist() == [7, 8, 4, 4, 9, 6]
    assert padded.dtype == np.uint8


def test_one_hot_is_in_the_order_of_the_alphabet_and_empty_without_a_base() -> None:
    expected = torch.cat([torch.eye(4), torch.zeros(2, 4)])
    assert torch.equal(one_hot_bases(torch.from_numpy(encode("ACGTNR"))), expected)
