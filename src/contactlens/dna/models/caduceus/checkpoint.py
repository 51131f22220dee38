"""Checkpoints in the format of the Hugging Face hub: config.json and model.safetensors, in the published names."""

import json
import pickle
import re
import warnings
from pathlib import Path

import torch
from torch import Tensor

from contactlens.base.errors import InputError
from contactlens.dna.models.caduceus.config import CaduceusConfig
from contactlens.dna.models.caduceus.model import CaduceusForMaskedLM
from contactlens.dna.models.caduceus.strands import MaskedLanguageModel

MODEL = "caduceus."
PREFIX = f"{MODEL}backbone."
HEAD_MAP = "lm_head.complement_map"
HEADS = ("lm_head.weight", "lm_head.lm_head.weight")
WEIGHTS, OLD_WEIGHTS = "model.safetensors", "pytorch_model.bin"
FOLDER_HINT = "give a folder that holds config.json and model.safetensors (`hf download NAME --local-dir FOLDER`)"
SHOWN = 5
WRAPPED = re.compile(
    r"^(?:(?:module|model|_orig_mod)\.)+(?=(?:caduceus|backbone|embeddings|layers|norm_f|lm_head|score)\.)"
)


def published_names(model: MaskedLanguageModel) -> dict[str, Tensor]:
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
        named[HEAD_MAP] = complement.clone()
    return named


def save_caduceus(model: MaskedLanguageModel, folder: Path | str) -> None:
    """Write config.json and model.safetensors into `folder`, each aside and renamed."""
    from safetensors.torch import save

    from contactlens.base.files import write_aside

    folder = Path(folder)
    tensors = {name: value.detach().cpu().contiguous() for name, value in published_names(model).items()}
    with write_aside(folder / "config.json") as aside:
        aside.write_text(json.dumps(model.config.to_mapping(), indent=2, sort_keys=True) + "\n")
    with write_aside(folder / WEIGHTS) as aside:
        aside.write_bytes(save(tensors, metadata={"format": "pt"}))


def load_caduceus(source: Path | str, dtype: torch.dtype = torch.float32) -> CaduceusForMaskedLM:
    """The model in `source`: a folder in the published format, or a name on the hub (which needs a network), where
    NAME@REVISION pins the content by a commit, a tag or a branch.

    Weights are read from model.safetensors or its shards, or from pytorch_model.bin, its shards or a trainer's .ckpt
    with torch's loader of plain tensors, so loading runs no code of the checkpoint's.

    Raises InputError where the folder, a file, a tensor or its shape is not what config.json asks for.
    """
    folder = _folder(source)
    config = CaduceusConfig.read(folder)
    tensors, path = _read_tensors(folder)
    _check(tensors, config, path)
    model = CaduceusForMaskedLM(config)
    for name, value in published_names(model).items():
        if not name.endswith("complement_map"):
            value.copy_(tensors[name])
    return model.to(dtype).eval()


def require_checkpoint(source: Path | str) -> None:
    """Raise InputError unless `load_caduceus` would read this folder; of a hub's name only the form is looked at."""
    if _is_folder(source):
        load_caduceus(source)


def _is_folder(source: Path | str) -> bool:
    """True for a folder, False for a name on the hub; InputError for anything else."""
    folder = Path(source)
    if folder.is_dir():
        return True
    if isinstance(source, Path) or folder.exists() or source.count("/") != 1 or source[0] in "./~":
        raise InputError(f"{source}: no such folder; {FOLDER_HINT}")
    return False


def _folder(source: Path | str) -> Path:
    return Path(source) if _is_folder(source) else _downloaded(str(source))


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


def unread_tensors(source: Path | str) -> list[str]:
    """Names of tensors in a folder that `load_caduceus` passes over: a head that was fine-tuned over the backbone."""
    return sorted(name for name in _read_tensors(_folder(source))[0] if not name.startswith((MODEL, "lm_head.")))


def _read_tensors(folder: Path) -> tuple[dict[str, Tensor], Path]:
    """Tensors under their published names, and a file for messages. What wraps a model when it is saved (`module.`,
    `model.`) is left away."""
    files = _weights_files(folder)
    tensors: dict[str, Tensor] = {}
    for path in files:
        tensors |= _read_file(path)
    tensors = {WRAPPED.sub("", name): value for name, value in tensors.items()}
    if not any(name.startswith(MODEL) for name in tensors):  # saved without a head, which leaves the outer name away
        tensors = {f"{MODEL}{name}": value for name, value in tensors.items()}
    return tensors, files[0]


def _weights_files(folder: Path) -> list[Path]:
    """The file of the weights, its shards in the order of their index, or the one checkpoint of a trainer."""
    for name in (WEIGHTS, OLD_WEIGHTS):
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _shards(index)
    found = sorted(folder.glob("*.ckpt"))
    if len(found) == 1:
        return found
    several = f", and {len(found)} .ckpt files: leave one" if found else ", nor an index of shards, nor a .ckpt file"
    raise InputError(f"{folder}: holds neither {WEIGHTS} nor {OLD_WEIGHTS}{several}")


def _shards(index: Path) -> list[Path]:
    try:
        names = list(dict.fromkeys(json.loads(index.read_text())["weight_map"].values()))
        plain = all(Path(name).name == name for name in names)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise InputError(f"{index}: not an index of shards ({type(error).__name__}: {error})") from error
    if not names or not plain:
        raise InputError(f"{index}: must name files of its own folder, found {names[:SHOWN]}")
    missing = [name for name in names if not index.with_name(name).is_file()]
    if missing:
        raise InputError(f"{index}: {len(missing)} of {len(names)} shards are not there: {missing[:SHOWN]}")
    return [index.with_name(name) for name in names]


def _read_file(path: Path) -> dict[str, Tensor]:
    try:
        return load_tensors(path) if path.suffix == ".safetensors" else _load_old(path)
    except pickle.UnpicklingError as error:  # torch's own message tells how to run what the file names
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"it names {named[1]}" if named else "not a pickle of tensors"
        raise InputError(f"{path}: truncated or not a checkpoint ({what}; only plain tensors are read)") from error
    except Exception as error:  # safetensors and zipfile each raise their own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: truncated or not a checkpoint ({reason})") from error


def load_tensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def _load_old(path: Path) -> dict[str, Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the pickle's protocol
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(tensors, dict) and isinstance(tensors.get("state_dict"), dict):
        tensors = tensors["state_dict"]  # as trainers save it, beside the epoch
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise ValueError("it holds no table of tensors")
    return tensors


def _wanted(config: CaduceusConfig, path: Path) -> dict[str, Tensor]:
    """The tensors that the configuration asks for, without their numbers, so that no size claims memory."""
    try:
        with torch.device("meta"):
            return published_names(CaduceusForMaskedLM(config))
    except (RuntimeError, TypeError, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path.with_name('config.json')}: asks for a model that can't be built ({reason})") from error


def _check(tensors: dict[str, Tensor], config: CaduceusConfig, path: Path) -> None:
    if config.n_layer > len(tensors):
        raise InputError(f"{path}: holds {len(tensors)} tensors, but config.json asks for {config.n_layer:,} layers")
    wanted = _wanted(config, path)
    if HEAD_MAP not in tensors:  # as where the backbone was saved alone
        wanted.pop(HEAD_MAP, None)
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
    complement = torch.tensor(config.complement_map)
    for name in (name for name in wanted if name.endswith("complement_map")):
        if not torch.equal(tensors[name].cpu(), complement):
            raise InputError(f"{path}: {name} differs from the complement_map of config.json")
    (embedding,) = (
        name for name in wanted if name.endswith(("word_embeddings.weight", "word_embeddings.embedding.weight"))
    )
    for name in HEADS:
        if name in tensors and not torch.equal(tensors[name], tensors[embedding]):
            raise InputError(f"{path}: {name} is not the embedding, which Caduceus' own output layer shares")
    require_numbers({name: tensors[name] for name in wanted if not name.endswith("complement_map")}, path)


def require_numbers(tensors: dict[str, Tensor], path: Path) -> None:
    """Raise InputError where weights are no floating-point numbers, or not finite."""
    integers = [f"{name} ({value.dtype})" for name, value in tensors.items() if not value.is_floating_point()]
    if integers:
        raise InputError(f"{path}: {len(integers)} tensors hold no floating-point numbers: {integers[:SHOWN]}")
    odd = [name for name, value in tensors.items() if not torch.isfinite(value.float()).all()]
    if odd:
        raise InputError(f"{path}: {len(odd)} tensors hold NaN or infinite numbers: {odd[:SHOWN]}")


def _repeats_tied(tensors: dict[str, Tensor], name: str) -> bool:
    """Whether this is a tied projection that old files hold for either direction."""
    twin = re.sub(r"\.mamba_rev\.(in|out)_proj\.", r".mamba_fwd.\1_proj.", name)
    return twin != name and twin in tensors and torch.equal(tensors[name], tensors[twin])
