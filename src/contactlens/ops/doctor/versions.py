"""Python, contactlens, its packages, and what differs from requirements.lock."""

import platform
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

import contactlens
from contactlens.ops.doctor.check import Check

LOCK = "requirements.lock"
INSTALL = "make install (in a checkout), or pip install -r requirements.lock"
SHOWN = 8


def examine(root: Path) -> list[Check]:
    own = distribution("contactlens")
    asked = [Requirement(text) for text in own.requires or []]
    return [
        python(own.metadata["Requires-Python"]),
        Check("contactlens", "ok", f"{own.version} in {Path(contactlens.__file__).parent}"),
        packages([one for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]),
        lock(root / LOCK),
    ]


def python(asked: str) -> Check:
    found = platform.python_version()
    if found in SpecifierSet(asked):
        return Check("python", "ok", found)
    return Check("python", "problem", f"{found}, but contactlens needs {asked}", "make clean install PYTHON=python3.11")


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def packages(asked: list[Requirement]) -> Check:
    """What contactlens itself asks for."""
    found = {one: installed(one.name) for one in asked}
    wrong = [
        f"{one} asked, {have or 'none'} installed"
        for one, have in found.items()
        if have is None or not one.specifier.contains(have, prereleases=True)
    ]
    if wrong:
        return Check("packages", "problem", "; ".join(wrong), INSTALL)
    return Check("packages", "ok", ", ".join(f"{one.name} {have}" for one, have in found.items()))


def lock(file: Path) -> Check:
    """Every pinned package against what is installed."""
    if not file.is_file():
        return Check(LOCK, "warning", f"{file}: no such file, so nothing to compare the versions with", INSTALL)
    try:
        pins = [Requirement(line) for line in _lines(file)]
    except InvalidRequirement as error:
        return Check(LOCK, "problem", f"{file}: {error}", f"restore it: git checkout {LOCK}")
    pins = [one for one in pins if one.marker is None or one.marker.evaluate()]
    have = {one: installed(one.name) for one in pins}
    differ = [
        f"{one.name} {found or 'missing'} ({one.specifier} pinned)"
        for one, found in have.items()
        if found is None or not one.specifier.contains(found, prereleases=True)
    ]
    if not differ:
        return Check(LOCK, "ok", f"all {len(pins)} packages as pinned")
    more = f" and {len(differ) - SHOWN} more" if len(differ) > SHOWN else ""
    return Check(LOCK, "warning", f"{len(differ)} of {len(pins)} differ: {', '.join(differ[:SHOWN])}{more}", INSTALL)


def _lines(file: Path) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in file.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("-")]
