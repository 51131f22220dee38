"""Contributions per base as arrays in one NPZ file, without pickles."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contactlens.base.errors import InputError
from contactlens.base.files import write_aside

OTHER_KEYS = ("window_ids", "logits", "one_hot")


@dataclass(frozen=True)
class Attributions:
    """Contributions of the bases of N windows to the model's logit.

    window_ids: (N,) text; logits: (N,) float64
    one_hot: (N, L, 4) uint8, A, C, G, T; all zero where there is no base
    hypothetical: (N, L, 4) float32 by method: what each base would contribute in each place. The contribution of the
        base that is there is `(hypothetical * one_hot).sum(-1)`
    """

    window_ids: np.ndarray
    logits: np.ndarray
    one_hot: np.ndarray
    hypothetical: dict[str, np.ndarray]

    def actual(self, method: str) -> np.ndarray:
        """Contributions (N, L) of the bases that are there."""
        return (self.hypothetical[method] * self.one_hot).sum(axis=-1)


def write_attributions(path: Path | str, attributions: Attributions) -> None:
    """One key a method beside window_ids, logits and one_hot; the bytes depend on the content alone."""
    arrays = {
        "window_ids": np.asarray(attributions.window_ids, dtype=np.str_),
        "logits": np.asarray(attributions.logits, dtype=np.float64),
        "one_hot": np.asarray(attributions.one_hot, dtype=np.uint8),
        **{method: np.asarray(values, np.float32) for method, values in sorted(attributions.hypothetical.items())},
    }
    with write_aside(path) as aside, aside.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read_attributions(path: Path | str) -> Attributions:
    """InputError where the file is missing, is not such an archive, or its arrays do not fit each other."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Exception as error:  # numpy, zipfile and zlib each raise their own
        raise InputError(f"{path}: not an NPZ file without pickles ({error})") from error
    missing = [name for name in OTHER_KEYS if name not in arrays]
    if missing:
        raise InputError(f"{path}: no key {', '.join(missing)}; it holds {', '.join(arrays)}")
    window_ids, logits, one_hot = (arrays.pop(name) for name in OTHER_KEYS)
    wrong = [name for name, values in arrays.items() if values.shape != one_hot.shape]
    windows = one_hot.shape[:1]
    if wrong or one_hot.ndim != 3 or one_hot.shape[2] != 4 or not window_ids.shape == logits.shape == windows:
        named = {"window_ids": window_ids, "logits": logits, "one_hot": one_hot, **arrays}
        shapes = {name: values.shape for name, values in named.items()}
        raise InputError(f"{path}: arrays must be (windows, bases, 4), for {window_ids.size} windows; found {shapes}")
    for name, values in {"logits": logits, "one_hot": one_hot, **arrays}.items():
        if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
            raise InputError(f"{path}, key {name!r}: not finite numbers throughout ({values.dtype})")
    if window_ids.dtype.kind != "U":
        raise InputError(f"{path}, key 'window_ids': expected text, found {window_ids.dtype}")
    return Attributions(window_ids, logits, one_hot, arrays)
