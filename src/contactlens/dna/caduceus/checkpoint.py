"""Checkpoints in the format of the Hugging Face hub: config.json and model.safetensors, in the published names."""

import json
import re
from pathlib import Path

import torch
from torch import Tensor

from contactlens.dna.caduceus.config import CaduceusConfig
from contactlens.dna.caduceus.model import CaduceusForMaskedLM
from contactlens.errors import InputError

PREFIX = "caduceus.backbone."
WEIGHTS, OLD_WEIGHTS = "model.safetensors", "pytorch_model.bin"
FOLDER_HINT = "give a folder that holds config.json and model.safetensors (`hf download NAME --local-dir FOLDER`)"
SHOWN = 5


def published_names(model: CaduceusForMaskedLM) -> dict[str, Tensor]:
    """The model's own tensors under their published names; shared ones once, as safetensors wants them."""
    config, rcps = model.config, model.config.rcps
    named: dict[str, Tensor] = {}
    for name, value in model.backbone.named_parameters():  # names a shared tensor once, at mamba_fwd
        if name == "embedding.weight":
            name = f"embeddings.word_embeddings.{'embedding.' if rcps else ''}weight"
        elif rcps:
            name = name.replace(".mixer.", ".mixer.submodule.")
            if not config.fused_add_norm:
                name = name.replace("norm.", "norm.submodule.").replace("norm_f.", "norm_f.submodule.")
        named[PREFIX + name] = value.data
    if rcps:
        complement = model.backbone.complement
        named[f"{PREFIX}embeddings.word_embeddings.complement_map"] = complement
        named["lm_head.complement_map"] = complement.clone()
    return named


def save_caduceus(model: CaduceusForMaskedLM, folder: Path | str) -> None:
    """Write config.json and model.safetensors into `folder`, each aside and renamed."""
    from safetensors.torch import save

    from contactlens.files import write_aside

    folder = Path(folder)
    tensors = {name: value.detach().cpu().contiguous() for name, value in published_names(model).items()}
    with write_aside(folder / "config.json") as aside:
        aside.write_text(json.dumps(model.config.to_mapping(), indent=2, sort_keys=True) + "\n")
    with write_aside(folder / WEIGHTS) as aside:
        aside.write_bytes(save(tensors, metadata={"format": "pt"}))


def load_caduceus(source: Path | str, dtype: torch.dtype = torch.float32) -> CaduceusForMaskedLM:
    """The model in `source`: a folder in the published format, or a name on the hub (which needs a network), where
    NAME@REVISION pins the content by a commit, a tag or a branch.

    Weights are read from model.safetensors, or from pytorch_model.bin with torch's loader of plain tensors, so
    loading runs no code of the checkpoint's.

    Raises InputError where the folder, a file, a tensor or its shape is not what config.json asks for.
    """
    folder = _folder(source)
    model = CaduceusForMaskedLM(CaduceusConfig.read(folder))
    tensors, path = _read_tensors(folder)
    wanted = published_names(model)
    _check(tensors, wanted, path)
    for name, value in wanted.items():
        if not name.endswith("complement_map"):
            value.copy_(tensors[name])
    return model.to(dtype).eval()


def _folder(source: Path | str) -> Path:
    folder = Path(source)
    if folder.is_dir():
        return folder
    if isinstance(source, Path) or folder.exists() or str(source).count("/") != 1 or str(source)[0] in "./~":
        raise InputError(f"{source}: no such folder; {FOLDER_HINT}")
    return _downloaded(str(source))


def _downloaded(name: str) -> Path:
    """The local copy of a hub checkpoint, NAME or NAME@REVISION; only files of data are fetched."""
    repository, _, revision = name.partition("@")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise InputError(
            f"{name}: not a folder here, and a hub name needs the package huggingface_hub; {FOLDER_HINT}"
        ) from None
    try:
        patterns = ["config.json", WEIGHTS, OLD_WEIGHTS]
        return Path(snapshot_download(repository, revision=revision or None, allow_patterns=patterns))
    except Exception as error:  # the hub's client raises its own, requests' and OS errors
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{name}: could not be fetched from the hub ({reason}); without a network {FOLDER_HINT}"
        ) from error


def _read_tensors(folder: Path) -> tuple[dict[str, Tensor], Path]:
    path = folder / WEIGHTS
    try:
        if path.is_file():
            from safetensors.torch import load_file

            return load_file(path), path
        path = folder / OLD_WEIGHTS
        if path.is_file():
            tensors = torch.load(path, map_location="cpu", weights_only=True)
            if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
                raise ValueError("it holds no table of tensors")
            return tensors, path
    except Exception as error:  # safetensors, zipfile and pickle each raise their own
        raise InputError(f"{path}: truncated or not a checkpoint ({error})") from error
    raise InputError(f"{folder}: holds neither {WEIGHTS} nor {OLD_WEIGHTS}")


def _check(tensors: dict[str, Tensor], wanted: dict[str, Tensor], path: Path) -> None:
    missing = sorted(set(wanted) - set(tensors))
    if missing:
        raise InputError(f"{path}: {len(missing)} tensors are missing that config.json asks for: {missing[:SHOWN]}")
    unasked = [name for name in tensors if name.startswith(PREFIX) and name not in wanted]
    extra = sorted(name for name in unasked if not _repeats_tied(tensors, name))
    if extra:
        raise InputError(f"{path}: holds {len(extra)} tensors that config.json has no place for: {extra[:SHOWN]}")
    wrong = [name for name, value in wanted.items() if tensors[name].shape != value.shape]
    if wrong:
        shapes = [f"{n} {tuple(tensors[n].shape)}, not {tuple(wanted[n].shape)}" for n in wrong[:SHOWN]]
        raise InputError(f"{path}: {len(wrong)} tensors have another shape than config.json asks for: {shapes}")
    for name in (name for name in wanted if name.endswith("complement_map")):
        if not torch.equal(tensors[name].cpu(), wanted[name]):
            raise InputError(f"{path}: {name} differs from the complement_map of config.json")


def _repeats_tied(tensors: dict[str, Tensor], name: str) -> bool:
    """Whether this is a tied projection that old files hold for either direction."""
    twin = re.sub(r"\.mamba_rev\.(in|out)_proj\.", r".mamba_fwd.\1_proj.", name)
    return twin != name and twin in tensors and torch.equal(tensors[name], tensors[twin])
