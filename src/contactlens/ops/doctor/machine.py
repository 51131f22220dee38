"""Processor, memory, disk space and numba's cache."""

import os
import shutil
import tempfile
from pathlib import Path

import psutil

from contactlens.ops.doctor.check import Check

GIB = 2**30
CGROUP = Path("/sys/fs/cgroup")
LOW_MEMORY, LOW_DISK, NO_DISK = 4 * GIB, 10 * GIB, 1 * GIB


def examine(root: Path) -> list[Check]:
    places = {"project": root, "temporary files": Path(tempfile.gettempdir()), "home": Path.home()}
    return [processor(), memory(), *disks(places), numba_cache(Path(os.environ["NUMBA_CACHE_DIR"]))]


def usable_cpus() -> int:
    """Those that this process may use: its affinity, and a container's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, period = [*_cgroup("cpu.max"), "max", "max"][:2]
    return allowed if "max" in (quota, period) else max(1, min(allowed, int(quota) // int(period)))


def _cgroup(name: str) -> list[str]:
    file = CGROUP / name
    return file.read_text().split() if file.is_file() else []


def processor() -> Check:
    cores, threads = psutil.cpu_count(logical=False), psutil.cpu_count()
    return Check("processor", "ok", f"{cores or '?'} cores, {threads} threads, {usable_cpus()} usable here")


def memory() -> Check:
    found = psutil.virtual_memory()
    limit = next((int(word) for word in _cgroup("memory.max") if word != "max"), found.total)
    total, free = min(found.total, limit), min(found.available, limit)
    said = f"{total / GIB:.1f} GiB, {free / GIB:.1f} GiB free"
    if free < LOW_MEMORY:
        return Check("memory", "warning", said, "close other programs, or lower tracks.sweep.max_concurrent")
    return Check("memory", "ok", said)


def disks(places: dict[str, Path]) -> list[Check]:
    """A row for each file system among the places."""
    by_device: dict[int, list[str]] = {}
    for name, path in places.items():
        by_device.setdefault(path.stat().st_dev, []).append(name)
    return [disk(names, places[names[0]]) for names in by_device.values()]


def disk(names: list[str], path: Path) -> Check:
    free = shutil.disk_usage(path).free
    said = f"{free / GIB:.1f} GiB free for {', '.join(names)}"
    remedy = "make room, or drop unused data with `dvc gc --workspace`"
    if free < NO_DISK:
        return Check("disk", "problem", said, remedy)
    return Check("disk", "warning", said, remedy) if free < LOW_DISK else Check("disk", "ok", said)


def numba_cache(folder: Path) -> Check:
    """Compiled kernels: without them each process compiles again, for minutes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            files = [path for path in folder.rglob("*.nb[ic]") if path.is_file()]
    except OSError as error:
        return Check("numba cache", "problem", f"{folder}: {error.strerror}", "set NUMBA_CACHE_DIR to another folder")
    said = f"{folder}: {len(files)} files, {sum(path.stat().st_size for path in files) / 2**20:.0f} MiB"
    return Check("numba cache", "ok", said if files else f"{folder}: empty, so that the first DNA run compiles kernels")
