"""Examples are known by their content, whatever they are called."""

from pathlib import Path

import pytest

from contactlens.base.errors import InputError
from contactlens.ops.registry.fitted_to import fitted_ids, refuse_fitted_to, write_fitted_to


def test_all_splits_but_the_test_split_are_fitted_to() -> None:
    assert fitted_ids({"train": ["a"], "test": ["b"], "validation": ["c"], "calibration": ["d"]}) == ["a", "c", "d"]


def test_common_examples_are_counted_and_refused(tmp_path: Path) -> None:
    assert write_fitted_to(tmp_path, [b"ACGT", b"AAAA", b"CCCC"]).parent == tmp_path
    refuse_fitted_to(tmp_path, [b"GGGG", b"ACG"])
    with pytest.raises(InputError, match=r"fitted_to\.json: the model was fitted to 2 of these test examples"):
        refuse_fitted_to(tmp_path, [b"CCCC", b"GGGG", b"ACGT"])


@pytest.mark.parametrize("content", [None, "{", "3"])
def test_what_does_not_say_what_it_was_fitted_to_is_refused(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "fitted_to.json").write_text(content)
    with pytest.raises(InputError, match="does not tell what the model was fitted to"):
        refuse_fitted_to(tmp_path, [b"ACGT"])
