"""params.yaml, typed once and validated strictly."""

from contactlens.ops.params.sections import (
    PARAMS_FILE,
    SWEPT,
    DnaParams,
    Params,
    TracksParams,
    apply_best,
    load_params,
    swept_values,
)

__all__ = [
    "PARAMS_FILE",
    "SWEPT",
    "DnaParams",
    "Params",
    "TracksParams",
    "apply_best",
    "load_params",
    "swept_values",
]
