"""The published 131k layout of Caduceus at full size: built with random weights, saved, loaded, run forwards and back.

    python benchmarks/caduceus_131k.py [--length 4096] [--gpu-length 65536] [--threads 2]

On the CPU, then on a GPU where there is one. "attribution" is the gradient of one classifier's logit with respect to
its one-hot input, with frozen weights.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor

from contactlens.dna.models.caduceus import CaduceusConfig, CaduceusForMaskedLM, load_caduceus, save_caduceus
from contactlens.dna.models.classifier import WindowClassifier
from contactlens.dna.models.config import HeadConfig

HUB_BYTES, HUB_TENSORS = 30_937_760, 276


def timed(name: str, device: str, call: Callable[[], object]) -> None:
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
        peak = torch.cuda.max_memory_allocated() / 2**20
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  {name:34s} {time.perf_counter() - start:8.2f} s   peak {peak:7,.0f} MiB so far")


def save_and_load() -> CaduceusForMaskedLM:
    torch.manual_seed(0)
    model = CaduceusForMaskedLM(CaduceusConfig(d_model=256, n_layer=16))
    with tempfile.TemporaryDirectory() as folder:
        save_caduceus(model, folder)
        weights = Path(folder) / "model.safetensors"
        with safe_open(weights, "pt") as content:
            tensors = len(content.keys())
        size = weights.stat().st_size
        print(f"{tensors} tensors (hub: {HUB_TENSORS}), {size:,} bytes (hub: {HUB_BYTES:,})")
        loaded = load_caduceus(folder)
    same = all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.parameters(), strict=True))
    print(f"loaded weights are {'the same' if same else 'DIFFERENT'}")
    return loaded


def attribution(model: WindowClassifier, ids: Tensor) -> Tensor:
    x = F.one_hot(ids, 16).float().requires_grad_()
    regions = torch.zeros(1, 2, ids.shape[1], dtype=torch.bool, device=ids.device)
    regions[:, 0, : ids.shape[1] // 8] = True
    regions[:, 1, -ids.shape[1] // 8 :] = True
    (gradient,) = torch.autograd.grad(model.forward_one_hot(x, regions).sum(), x)
    return gradient


def run(model: CaduceusForMaskedLM, length: int, device: str) -> None:
    print(f"{length:,} bp on {device}")
    model = model.to(device)
    classifier = WindowClassifier(model.backbone, "pair", HeadConfig(128)).to(device).requires_grad_(False).eval()
    ids = torch.randint(7, 11, (1, length), device=device)
    with torch.no_grad():
        model(ids[:, :256])  # compiles
    attribution(classifier, ids[:, :256])
    with torch.no_grad():
        timed("hidden states and logits", device, lambda: model(ids))
    timed("attribution", device, lambda: attribution(classifier, ids))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=4096)
    parser.add_argument("--gpu-length", type=int, default=65_536)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = save_and_load()
    run(model, options.length, "cpu")
    if torch.cuda.is_available():
        for length in (options.length, options.gpu_length):
            run(model, length, "cuda")
    else:
        print("no GPU")


if __name__ == "__main__":
    main()
