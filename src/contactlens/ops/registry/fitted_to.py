"""What a registered model was fitted to: a champion is not evaluated on that when a later model challenges it."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from contactlens.base.errors import InputError
from contactlens.base.files import read_json, write_json

FITTED_TO = "fitted_to.json"


def fitted_ids(splits: Mapping[str, Sequence[str]]) -> list[str]:
    """Of all splits but the test split: models are trained, chosen and recalibrated on these."""
    return [name for split, names in splits.items() if split != "test" for name in names]


def write_fitted_to(folder: Path, examples: Iterable[bytes]) -> Path:
    """fitted_to.json with a digest of each example, by content: names say little across datasets."""
    write_json(folder / FITTED_TO, sorted(_digests(examples)))
    return folder / FITTED_TO


def split_digest(examples: Iterable[bytes]) -> str:
    """Of all examples of a split, by content and in no order: names the split wherever it comes from."""
    return hashlib.blake2s("".join(sorted(_digests(examples))).encode(), digest_size=8).hexdigest()


def refuse_fitted_to(weights: Path, examples: Iterable[bytes]) -> None:
    """Raise InputError where the model in this folder was fitted to some of the examples, or does not say to what."""
    path = weights / FITTED_TO
    try:
        fitted = set(read_json(path))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{FITTED_TO}: does not tell what the model was fitted to ({error})") from error
    common = fitted & _digests(examples)
    if common:
        raise InputError(f"{FITTED_TO}: the model was fitted to {len(common)} of these test examples")


def _digests(examples: Iterable[bytes]) -> set[str]:
    return {hashlib.blake2s(example, digest_size=8).hexdigest() for example in examples}
