"""One picture a system, taken from the report of its finished run and made small enough for a page of many."""

import io
from pathlib import Path

from contactlens.base.errors import InputError
from contactlens.base.files import require_file, write_aside
from contactlens.tracks.models.tasks import Task

WIDTH_PX, COLOURS = 1100, 64
MAX_BYTES = 150_000
MOTIFS = "motifs.png"
PICTURES = {
    "ep_to_ms2": "overview",
    "epms2_to_ms2_conditioned": "lag_profile",
    "ep_to_states": "lengths",
    "ms2_to_states": "roc",
    "toy": "channels",
}


def picture_of(task: Task, model: str) -> str:
    """The figure of the report that shows best what is particular to a system; for most it is the example tracks."""
    if model == "transformer":
        return "attention"
    return "loading" if task.latent else PICTURES.get(task.name, "examples")


def shrink(png: Path) -> bytes:
    """The picture as a PNG of few colours and at most `WIDTH_PX` wide, as wide as `MAX_BYTES` allows."""
    from PIL import Image

    with Image.open(png) as source:
        image = source.convert("RGB")
    width = min(image.width, WIDTH_PX)
    while True:
        size = (width, round(image.height * width / image.width))
        small = image.resize(size, Image.Resampling.LANCZOS).quantize(COLOURS)
        buffer = io.BytesIO()
        small.save(buffer, format="PNG", optimize=True)
        if buffer.tell() <= MAX_BYTES:
            return buffer.getvalue()
        width = round(0.9 * width)


def write_pictures(figures: Path, task: Task, model: str, name: str, out: Path) -> list[Path]:
    """Write the picture of one system into `out`, `<name>.png`, and where its run searched for temporal motifs theirs,
    `<name>-motifs.png`; returns what was written.

    figures: the folder that the report of its run wrote its figures to

    Raises InputError where the system's figure is not there.
    """
    pictures = {figures / f"{picture_of(task, model)}.png": f"{name}.png", figures / MOTIFS: f"{name}-{MOTIFS}"}
    source, motifs = pictures
    if not source.is_file():
        raise InputError(f"{source}: not found; the gallery takes its pictures from the report of a finished run")
    return [write_picture(path, out / pictures[path]) for path in (source, motifs) if path.is_file()]


def write_picture(png: Path, path: Path) -> Path:
    """Write `png`, made small by `shrink`, to `path`; InputError where it is not there."""
    require_file(png)
    with write_aside(path) as aside:
        aside.write_bytes(shrink(png))
    return path
