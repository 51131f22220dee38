"""`CompiledParticles.mat` of mRNADynamics: MS2 of each particle, with the times of the frames in minutes."""

from typing import Any

import numpy as np

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.arrays import Arrays
from contactlens.tracks.data.importing.presets.preset import Arguments, Content, Preset

TRACES, TIMES, PARTICLES = "AllTracesVector", "ElapsedTime", "CompiledParticles"


def _traces(content: Content, arguments: Arguments) -> tuple[Content, Arguments]:
    """Particles x frames from AllTracesVector, or from Frame and Fluo of each compiled particle.

    Of several channels the first is read, or the one whose number `--sheet` gives.
    """
    if not isinstance(content, Arrays):
        raise InputError(f"{content.path}: expected a MATLAB file with {TRACES} or {PARTICLES}, and {TIMES}")
    times = content.array(TIMES).astype(np.float64).ravel()
    notes = list(content.notes)
    if TRACES in content.values:
        traces = _of_matrix(content, _channel(content, content.values[TRACES], notes), times)
    elif PARTICLES in content.values:
        traces = _of_particles(content, _channel(content, content.values[PARTICLES], notes), times)
    else:
        raise InputError(f"{content.path}: neither {TRACES} nor {PARTICLES}; the file has: {content.listing()}")
    return Arrays(content.path, {TRACES: traces, TIMES: times}, content.reading, tuple(notes)), arguments


def _channel(content: Arrays, found: Any, notes: list[str]) -> Any:
    """One channel of a cell array of channels; structs and matrices are of one channel."""
    if not isinstance(found, list) or all(isinstance(item, dict) for item in found):
        return found
    asked = content.reading.sheet or "1"
    if not asked.isdigit() or not 1 <= int(asked) <= len(found):
        raise InputError(f"{content.path}: no channel {asked!r}; there are {len(found)}, from 1")
    if len(found) > 1:
        notes.append(f"channel {asked} of {len(found)}")
    return found[int(asked) - 1]


def _of_matrix(content: Arrays, matrix: Any, times: np.ndarray) -> np.ndarray:
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or matrix.shape[0] != times.size:
        shape = " x ".join(map(str, matrix.shape)) if isinstance(matrix, np.ndarray) else type(matrix).__name__
        raise InputError(f"{content.path}, {TRACES}: expected {times.size} frames x particles, found {shape}")
    return matrix.T.astype(np.float64)


def _of_particles(content: Arrays, particles: Any, times: np.ndarray) -> np.ndarray:
    particles = [particles] if isinstance(particles, dict) else particles
    traces = np.full((len(particles), times.size), np.nan)
    for index, particle in enumerate(particles):
        where = f"{content.path}, {PARTICLES}({index + 1})"
        if not isinstance(particle, dict) or not {"Frame", "Fluo"} <= set(particle):
            raise InputError(f"{where}: expected a struct with Frame and Fluo")
        frame, fluo = (np.asarray(particle[name]).ravel() for name in ("Frame", "Fluo"))
        if frame.size != fluo.size or not np.isin(frame, np.arange(1, times.size + 1)).all():
            raise InputError(f"{where}: Frame and Fluo must be of one length, and frames within 1 to {times.size}")
        traces[index, frame.astype(int) - 1] = fluo
    return traces


COMPILED_PARTICLES = Preset(
    "compiled-particles",
    "MATLAB, MS2 alone: AllTracesVector (frames x particles) or CompiledParticles (Frame, Fluo), ElapsedTime (min)",
    "https://github.com/GarciaLab/mRNADynamics",
    {"time": TIMES, "time_unit": "min", "signal": TRACES, "elapsed": True},
    _traces,
)
