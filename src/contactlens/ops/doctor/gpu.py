"""The GPU as torch sees it, and the packages that only a GPU uses."""

import importlib.util
import shutil
from pathlib import Path

from contactlens.ops.doctor.check import Check

GIB = 2**30
KERNELS = {"triton": "triton", "mamba-ssm": "mamba_ssm"}


def examine(root: Path) -> list[Check]:
    import torch

    names = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    if torch.cuda.is_available():
        said = ", ".join(f"{one.name} ({one.total_memory / GIB:.0f} GiB)" for one in names)
        gpu = Check("gpu", "ok", said)
    elif shutil.which("nvidia-smi"):
        said = f"this machine has an NVIDIA driver, but torch {torch.__version__} sees no GPU"
        gpu = Check("gpu", "warning", said, "install the CUDA build of torch that fits the driver: nvidia-smi names it")
    else:
        gpu = Check("gpu", "ok", f"none (torch {torch.__version__}): all runs on the CPU")
    return [gpu, kernels(torch.cuda.is_available())]


def kernels(has_gpu: bool) -> Check:
    present = {name: importlib.util.find_spec(module) is not None for name, module in KERNELS.items()}
    said = ", ".join(f"{name} {'installed' if there else 'not installed'}" for name, there in present.items())
    if has_gpu and not any(present.values()):
        return Check("gpu kernels", "warning", f"{said}: the scan falls back to plain torch", "pip install triton")
    return Check("gpu kernels", "ok", said)
