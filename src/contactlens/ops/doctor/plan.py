"""What the parameters resolve to on this machine."""

from dataclasses import replace
from pathlib import Path
from typing import Protocol

import torch

from contactlens.base.errors import InputError
from contactlens.base.torch_setup import resolve_device
from contactlens.dna.models.caduceus.scan import fastest_backend
from contactlens.dna.training.config import RunConfig
from contactlens.ops.cluster_address import cluster_address
from contactlens.ops.doctor.check import Check, first_line
from contactlens.ops.doctor.machine import usable_cpus
from contactlens.ops.params import PARAMS_FILE, load_params
from contactlens.training.search import Sweep


class Training(Protocol):
    """`tracks.fit`, and the DNA branch's trainers."""

    @property
    def device(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def amp(self) -> bool: ...


def examine(root: Path) -> list[Check]:
    try:
        params = load_params(root / PARAMS_FILE)
    except InputError as error:
        return [Check("parameters", "problem", str(error), "correct the file at that line")]
    dna = params.dna
    return [
        training("will be used: tracks", "tracks.fit", params.tracks.fit),
        shared_training("will be used: dna pre-training", "dna.pretrain", dna.pretrain),
        shared_training("will be used: dna fine-tuning", "dna.fine_tune", dna.fine_tune),
        sweep("will be used: tracks sweep", "tracks.sweep", params.tracks.search),
        sweep("will be used: dna pre-training sweep", "dna.pretrain_sweep", dna.pretraining_search),
        sweep("will be used: dna sweep", "dna.sweep", dna.search),
    ]


def training(name: str, section: str, config: Training, scan: bool = False) -> Check:
    remedy = f"set {section}.device to auto"
    try:
        device = resolve_device(config.device)
    except InputError as error:
        return Check(name, "problem", f"{section}.device: {first_line(error)}", remedy)
    parts = [f"{section}: {device}", f"{config.threads} thread{'s' * (config.threads != 1)}"]
    parts.append("mixed precision" if config.amp and device.type == "cuda" else "full precision")
    parts += [f"scan by {fastest_backend(device.type, torch.float32)}"] * scan
    if config.threads > usable_cpus():
        said = f"{', '.join(parts)}; only {usable_cpus()} CPUs are usable"
        return Check(name, "warning", said, f"lower {section}.threads")
    return Check(name, "ok", ", ".join(parts))


def shared_training(name: str, section: str, run: RunConfig) -> Check:
    """As `training`, with the workers that share it."""
    one = training(name, f"{section}.trainer", run.trainer, scan=True)
    if run.workers == 1 or one.state == "problem":
        return one
    cpus, cluster = run.workers * run.trainer.threads, cluster_address()
    said = f"{one.found}, by each of {run.workers} workers on {'the cluster' if cluster else 'this machine'}"
    if not cluster and cpus > usable_cpus():
        return Check(name, "warning", f"{said}, where {usable_cpus()} CPUs are usable", f"lower {section}.workers")
    return replace(one, found=said)


def sweep(name: str, section: str, search: Sweep) -> Check:
    config = search.config
    cpus = config.max_concurrent * config.cpus_per_trial
    cluster = cluster_address()
    said = (
        f"{search.total} trials on {'the cluster' if cluster else 'this machine'}, {config.max_concurrent} at once, "
        f"each with CPUs: {config.cpus_per_trial}, GPUs where there are any: {config.gpus_per_trial:g}"
    )
    if not cluster and cpus > usable_cpus():
        said += f", where {usable_cpus()} CPUs are usable for {cpus}"
        return Check(name, "warning", said, f"lower {section}.max_concurrent")
    return Check(name, "ok", said)
