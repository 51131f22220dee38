"""Explainable, uncertainty-aware deep learning for gene regulation.

    import contactlens as cl
    tracks = cl.read_tracks("lab.csv", track="cell", time="t_s", distance="ep_nm", length_unit="nm")
    table = cl.load("models:/contactlens-tracks@champion").predict(tracks)

The names below are imported when they are first used, so that this import takes no time.
"""

import os
import sys
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contactlens.api.load import load
    from contactlens.base.errors import InputError
    from contactlens.dna.data.importing.read import read_windows
    from contactlens.dna.serving.model import WindowsModel
    from contactlens.tracks.data.importing.read import read_tracks
    from contactlens.tracks.data.track_set import TrackSet
    from contactlens.tracks.serving.model import ModelInfo, TracksModel

__all__ = ["InputError", "ModelInfo", "TrackSet", "TracksModel", "WindowsModel", "load", "read_tracks", "read_windows"]

__version__ = "0.2.0"
_MODULES = {
    "InputError": "contactlens.base.errors",
    "ModelInfo": "contactlens.tracks.serving.model",
    "TrackSet": "contactlens.tracks.data.track_set",
    "TracksModel": "contactlens.tracks.serving.model",
    "WindowsModel": "contactlens.dna.serving.model",
    "load": "contactlens.api.load",
    "read_tracks": "contactlens.tracks.data.importing.read",
    "read_windows": "contactlens.dna.data.importing.read",
}
STARTED_BY = os.getppid()  # the parent of this process, read before slow imports; see ops.processes


def _without_interrupts(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ctrl-C while a stage imports is no error of the code's."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


if "DVC_STAGE" in os.environ:
    sys.excepthook = _without_interrupts
