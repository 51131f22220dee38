"""Pictures of the gallery: which figure, how large, and what is said where it is missing."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contactlens.base.errors import InputError
from contactlens.ops.systems import load_systems
from contactlens.tracks.models.tasks import TASKS
from contactlens.tracks.report.gallery import MAX_BYTES, WIDTH_PX, picture_of, shrink, write_pictures

ROOT = Path(__file__).parents[3]
SYSTEMS = load_systems(ROOT / "systems.yaml")


def noise(path: Path, width: int, height: int) -> Path:
    """The hardest picture to compress."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def test_even_noise_becomes_small_enough_and_keeps_its_shape(tmp_path: Path) -> None:
    source = noise(tmp_path / "a.png", 1800, 900)
    (tmp_path / "small.png").write_bytes(shrink(source))
    assert (tmp_path / "small.png").stat().st_size <= MAX_BYTES < source.stat().st_size
    with Image.open(tmp_path / "small.png") as small:
        assert small.width < WIDTH_PX and small.width / small.height == pytest.approx(2, rel=0.01)


def test_a_plain_picture_is_only_brought_to_the_width(tmp_path: Path) -> None:
    Image.new("RGB", (2200, 1000), "white").save(tmp_path / "a.png")
    (tmp_path / "small.png").write_bytes(shrink(tmp_path / "a.png"))
    with Image.open(tmp_path / "small.png") as small:
        assert small.size == (WIDTH_PX, 500)
        assert np.asarray(small.convert("RGB")).min() == 255


def test_the_same_picture_gives_the_same_bytes(tmp_path: Path) -> None:
    source = noise(tmp_path / "a.png", 300, 200)
    assert shrink(source) == shrink(source)


def test_a_system_is_shown_by_what_is_particular_to_it() -> None:
    assert picture_of(TASKS["ms2_to_ms2_vae"], "bernoulli_vae") == "loading"
    assert picture_of(TASKS["epms2_to_states"], "transformer") == "attention"
    assert picture_of(TASKS["epms2_to_states"], "unet_resnet") == "examples"
    assert picture_of(TASKS["ep_to_ms2"], "unet") == "overview"


def test_pictures_are_named_after_the_system(tmp_path: Path) -> None:
    figures, out = tmp_path / "figures", tmp_path / "gallery"
    noise(figures / "roc.png", 200, 100)
    only = write_pictures(figures, TASKS["ms2_to_states"], "unet", "states", out)
    assert only == [out / "states.png"] and only[0].is_file()
    noise(figures / "motifs.png", 200, 100)
    both = write_pictures(figures, TASKS["ms2_to_states"], "unet", "states", out)
    assert both == [*only, out / "states-motifs.png"] and both[1].is_file()
    with pytest.raises(InputError, match=r"overview\.png: not found"):
        write_pictures(figures, TASKS["ep_to_ms2"], "unet", "default", out)


def test_the_page_has_a_listed_system_for_every_published_task_and_a_small_picture_in_every_section() -> None:
    page = (ROOT / "docs" / "gallery.md").read_text()
    listed = {" --set ".join([f"--task {row.task} --model {row.model}", *row.settings]) for row in SYSTEMS}
    shown = set()
    for command in re.findall(r"contactlens tracks run .*", page.replace("\\\n", " ")):
        system = re.search(r"--task .*?(?= --workspace)", " ".join(command.split()))
        assert system and re.sub(r" --profile \w+", "", system[0]) in listed, command
        shown.add(system[0].split()[1])
    table = (
        (ROOT / "docs" / "systems.md").read_text().split("<!-- systems: start -->")[1].split("<!-- systems: end -->")[0]
    )
    published = set(re.findall(r"--task (\w+)", table))
    assert shown == published <= set(TASKS)
    assert len(published) >= 8
    for section in page.split("\n## ")[1:]:
        (picture,) = re.findall(r"!\[[^\]]+\]\((gallery/[\w-]+\.png)\)", section)
        assert (ROOT / "docs" / picture).stat().st_size <= MAX_BYTES
