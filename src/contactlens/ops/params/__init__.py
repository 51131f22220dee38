"""params.yaml, typed once and validated strictly."""

from contactlens.ops.params.sections import (
    PARAMS_FILE,
    DnaParams,
    Params,
    TracksParams,
    apply_best,
    apply_best_pretraining,
    load_params,
)

__all__ = [
    "PARAMS_FILE",
    "DnaParams",
    "Params",
    "TracksParams",
    "apply_best",
    "apply_best_pretraining",
    "load_params",
]
