"""One small file of each kind that a stage writes."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from test_fit import GATE, MODEL

from contactlens.dna.explanation.attributions import Attributions, write_attributions
from contactlens.tracks.data.batch import TrackBatch
from contactlens.tracks.data.track_set import Driver
from contactlens.tracks.models.checkpoint import ModelSpec, save_model
from contactlens.tracks.models.scaling import Scaling


def write_model(path: Path) -> None:
    rng = np.random.default_rng(0)
    batch = TrackBatch(
        torch.from_numpy(rng.normal(size=(4, 4, 16)).astype("float32")),
        torch.from_numpy(rng.normal(size=(4, 16)).astype("float32")),
        torch.ones(4, 16, dtype=torch.bool),
        list("abcd"),
        list("abcd"),
        30.0,
    )
    spec = ModelSpec("ep_to_ms2", Driver("vector", "E-P", "nm"), MODEL, GATE, Scaling.of(batch), 30.0, "a.u.")
    save_model(spec.build(), spec, path)


def write_arrays(path: Path) -> None:
    rng = np.random.default_rng(0)
    shape = (3, 400, 4)
    write_attributions(
        path, {"lrp": Attributions(np.array(list("abc")), np.zeros(3), rng.normal(size=shape), np.ones(shape, "uint8"))}
    )


def write_table(path: Path) -> None:
    pd.DataFrame(
        {"track_id": [f"t{i}" for i in range(2000)], "ms2": np.random.default_rng(0).normal(size=2000)}
    ).to_parquet(path)
