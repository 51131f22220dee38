"""Layouts of trackers and published data sets: `--preset NAME` fills the flags. A new one is a file and a line."""

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.presets import burstinfer, compiled_particles, imaris, published, trackmate
from contactlens.tracks.data.importing.presets.preset import Content, Preset

PRESETS = {
    preset.name: preset
    for preset in (
        trackmate.TRACKMATE,
        imaris.IMARIS,
        compiled_particles.COMPILED_PARTICLES,
        burstinfer.BURSTINFER,
        published.VEPI,
        published.BRUECKNER,
        published.GABRIELE,
    )
}

__all__ = ["PRESETS", "Content", "Preset", "preset_named"]


def preset_named(name: str) -> Preset:
    """The preset of that name; InputError names the known ones otherwise."""
    if name not in PRESETS:
        raise InputError(f"--preset {name}: unknown; known are {', '.join(PRESETS)}")
    return PRESETS[name]
