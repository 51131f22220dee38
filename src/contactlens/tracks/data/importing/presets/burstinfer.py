"""burstInfer's traces: a row a cell, a column a frame, named by its number; other columns describe the cell."""

import re

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.cells import Table
from contactlens.tracks.data.importing.presets.preset import Arguments, Content, Preset
from contactlens.tracks.data.importing.units import FRAME
from contactlens.tracks.data.importing.wide import SIGNAL, TRACK, transposed


def _by_frame(content: Content, arguments: Arguments) -> tuple[Content, Arguments]:
    if not isinstance(content, Table):
        raise InputError(f"{content.path}: burstInfer's traces are a table, this file holds arrays")
    frames = [name for name in content.names if re.fullmatch(r"\d+(?:\.0)?", name)]
    if len(frames) < 2:
        raise InputError(f"{content.path}: no columns are named by frame numbers (0, 1, 2, ...)")
    unnamed = next((name for name in content.names if name.startswith("\0")), None)
    return transposed(content, frames, unnamed), arguments


BURSTINFER = Preset(
    "burstinfer",
    "table of MS2 alone: a row a cell, a column a frame (0, 1, 2, ...)",
    "https://github.com/ManchesterBioinference/burstInfer",
    {"track": [TRACK], "time": FRAME, "time_unit": FRAME, "signal": SIGNAL, "elapsed": True},
    _by_frame,
)
