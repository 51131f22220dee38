import json
import os
import pickle
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from contactlens.base.errors import InputError
from contactlens.dna.models.caduceus import CaduceusConfig, CaduceusForMaskedLM, SsmConfig, load_caduceus, save_caduceus
from contactlens.dna.models.caduceus.checkpoint import PREFIX, published_names
from reference_files import SMALL, caduceus

REFERENCE = SMALL / "caduceus"
TYPES = {torch.float32: "F32", torch.int64: "I64"}
IDS = torch.randint(0, 12, (2, 19), generator=torch.Generator().manual_seed(3))
IN_PROJ = f"{PREFIX}layers.0.mixer.submodule.mamba_fwd.in_proj.weight"


def build(**changes: object) -> CaduceusForMaskedLM:
    torch.manual_seed(0)
    return CaduceusForMaskedLM(
        CaduceusConfig(**({"d_model": 8, "n_layer": 2, "ssm_cfg": SsmConfig(d_state=3)} | changes))
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_caduceus(build(), tmp_path / "model")
    return tmp_path / "model"


def rewrite_config(folder: Path, **changes: object) -> None:
    content = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps({key: value for key, value in content.items() if value != "gone"}))


def rewrite_tensors(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


VARIANTS = [
    {},
    {"n_layer": 3, "fused_add_norm": False},
    {"rcps": False},
    {"rcps": False, "bidirectional_strategy": "ew_multiply"},
    {"bidirectional_weight_tie": False},
    {"rms_norm": False},
    {"rms_norm": False, "fused_add_norm": False},
    {"residual_in_fp32": True},
    {"ssm_cfg": SsmConfig(d_state=3, d_conv=3, expand=1, dt_rank=2, conv_bias=False, bias=True, dt_init="constant")},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_a_saved_model_comes_back_bit_by_bit(changes: dict[str, object], tmp_path: Path) -> None:
    model = build(**changes)
    save_caduceus(model, tmp_path / "one")
    loaded = load_caduceus(tmp_path / "one")
    assert loaded.config == model.config
    assert torch.equal(loaded(IDS), model(IDS))
    save_caduceus(loaded, tmp_path / "two")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(
    ("listing", "changes"),
    [("ps131k", {"n_layer": 16}), ("ph131k", {"n_layer": 16, "rcps": False}), ("ph1k", {"n_layer": 4, "rcps": False})],
)
def test_names_shapes_and_types_are_those_on_the_hub(listing: str, changes: dict[str, object]) -> None:
    with torch.device("meta"):
        model = CaduceusForMaskedLM(CaduceusConfig(d_model=256, **changes))
    ours = {name: [list(value.shape), TYPES[value.dtype]] for name, value in published_names(model).items()}
    assert ours == json.loads((REFERENCE / f"{listing}_keys.json").read_text())


def test_the_published_size_has_as_many_tensors_and_numbers_as_on_the_hub() -> None:
    with torch.device("meta"):
        model = CaduceusForMaskedLM(CaduceusConfig(d_model=256, n_layer=16))
    assert len(published_names(model)) == 276
    assert sum(value.numel() for value in model.parameters()) == 7_725_312


@pytest.mark.parametrize("name", ["ps131k", "ph1k"])
def test_published_configuration_is_read_and_written_as_it_was(name: str) -> None:
    published = json.loads((REFERENCE / f"config_{name}.json").read_text())
    config = CaduceusConfig.from_mapping(published, name)
    assert (config.d_model, config.d_inner, config.dt_rank) == (256, 512, 16)
    written = config.to_mapping()
    assert set(published) - set(written) == {"auto_map", "transformers_version"}
    assert {key: json.loads(json.dumps(written[key])) for key in published if key in written} == {
        key: value for key, value in published.items() if key in written
    }


@pytest.mark.parametrize("folder", caduceus("ph", "ps", "untied", "ps_unfused", "ps_even", "ph_mul"))
def test_a_published_checkpoint_is_saved_with_the_same_tensors(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    save_caduceus(load_caduceus(folder), tmp_path)
    ours, published = (load_file(f / "model.safetensors") for f in (tmp_path, folder))
    assert ours.keys() == published.keys()
    assert all(torch.equal(ours[name], published[name]) for name in published)


def test_old_weight_files_with_their_repeated_tensors_are_read(folder: Path) -> None:
    new = load_caduceus(folder)
    tensors = published_names(new)
    for name in [name for name in tensors if "mamba_fwd.in_proj" in name or "mamba_fwd.out_proj" in name]:
        tensors[name.replace("mamba_fwd", "mamba_rev")] = tensors[name]
    tensors["lm_head.lm_head.weight"] = new.backbone.embedding.weight.data
    torch.save(tensors, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert torch.equal(load_caduceus(folder)(IDS), new(IDS))


@pytest.mark.parametrize("rcps", [True, False])
def test_a_backbone_that_was_saved_alone_is_read(rcps: bool, tmp_path: Path) -> None:
    """As `AutoModel` saves it: without the outer name, and without what only the output layer holds."""
    save_caduceus(build(rcps=rcps), tmp_path)
    expected = load_caduceus(tmp_path)(IDS)

    def strip(tensors: dict[str, Tensor]) -> None:
        for name in list(tensors):
            value = tensors.pop(name)
            if name.startswith("caduceus."):
                tensors[name.removeprefix("caduceus.")] = value

    rewrite_tensors(tmp_path, strip)
    assert torch.equal(load_caduceus(tmp_path)(IDS), expected)


@pytest.mark.parametrize(("rcps", "name"), [(True, "lm_head.lm_head.weight"), (False, "lm_head.weight")])
def test_an_output_layer_that_does_not_share_the_embedding_is_refused(rcps: bool, name: str, tmp_path: Path) -> None:
    model = build(rcps=rcps)
    save_caduceus(model, tmp_path)
    shared = model.backbone.embedding.weight.detach()
    rewrite_tensors(tmp_path, lambda tensors: tensors.update({name: shared.clone()}))
    load_caduceus(tmp_path)
    rewrite_tensors(tmp_path, lambda tensors: tensors.update({name: shared + 1}))
    with pytest.raises(InputError, match=f"model.safetensors: {name} is not the embedding"):
        load_caduceus(tmp_path)


def test_complement_map_may_be_listed_in_any_order(folder: Path) -> None:
    """As strings the tokens sort 0, 1, 10, 11, ..., 2: taken as a list, the values would be another map."""
    expected = load_caduceus(folder)(IDS)
    listed = json.loads((folder / "config.json").read_text())["complement_map"]
    assert list(listed)[:3] == ["0", "1", "10"]
    rewrite_config(folder, complement_map=dict(reversed(listed.items())))
    assert load_caduceus(folder).config.complement_map[6:12] == (6, 10, 9, 8, 7, 11)
    assert torch.equal(load_caduceus(folder)(IDS), expected)


def test_missing_settings_take_the_published_values(folder: Path) -> None:
    rewrite_config(folder, complement_map=None, initializer_cfg="gone", norm_epsilon="gone", unknown_key=3)
    assert load_caduceus(folder).config == build().config


def test_dtype_is_that_asked_for_and_training_is_off(folder: Path) -> None:
    model = load_caduceus(folder, torch.float64)
    assert {value.dtype for value in model.parameters()} == {torch.float64}
    assert not model.training


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "config.json: no such file"),
    "config cut short": (lambda f: (f / "config.json").write_text('{"d_mo'), "config.json: not readable as JSON"),
    "config not text": (
        lambda f: (f / "config.json").write_bytes(b"\xff\xfe\x00"),
        "config.json: not readable as JSON",
    ),
    "config a list": (lambda f: (f / "config.json").write_text("[]"), "model_type must be caduceus"),
    "other model": (lambda f: rewrite_config(f, model_type="mamba"), "model_type must be caduceus, got 'mamba'"),
    "no width": (lambda f: rewrite_config(f, d_model="gone"), "config.json: .*missing .* argument: 'd_model'"),
    "text for a number": (lambda f: rewrite_config(f, n_layer="2"), "config.json: n_layer must be int, got '2'"),
    "unknown mixer setting": (lambda f: rewrite_config(f, ssm_cfg={"d_stat": 3}), "config.json: .*'d_stat'"),
    "mixer a number": (lambda f: rewrite_config(f, ssm_cfg=3), "config.json: .*must be a mapping"),
    "one direction": (lambda f: rewrite_config(f, bidirectional=False), "bidirectional: false is not supported"),
    "complement map short": (lambda f: rewrite_config(f, complement_map={"0": 0}), "complement_map must map"),
    "complement map a list": (lambda f: rewrite_config(f, complement_map=[0, 1]), "config.json: "),
    "complement map of words": (lambda f: rewrite_config(f, complement_map={"A": "T"}), "config.json: "),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "holds neither model.safetensors nor pytorch_model"),
    "weights empty": (lambda f: (f / "model.safetensors").write_bytes(b""), "truncated or not a checkpoint"),
    "weights cut short": (
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-100]),
        "model.safetensors: truncated or not a checkpoint",
    ),
    "tensor missing": (
        lambda f: rewrite_tensors(f, lambda t: t.pop(IN_PROJ)),
        "1 tensors are missing that config.json asks for: .*in_proj",
    ),
    "tensor of another shape": (
        lambda f: rewrite_tensors(f, lambda t: t.update({IN_PROJ: torch.zeros(3, 8)})),
        r"another shape than config.json asks for: .*in_proj.weight \(3, 8\), not \(32, 8\)",
    ),
    "width differs": (lambda f: rewrite_config(f, d_model=16), "tensors have another shape"),
    "fewer layers than weights": (
        lambda f: rewrite_config(f, n_layer=1),
        "17 tensors that config.json has no place for: .*layers.1",
    ),
    "more layers than weights": (lambda f: rewrite_config(f, n_layer=3), "tensors are missing .*layers.2"),
    "the other rcps path": (lambda f: rewrite_config(f, fused_add_norm=False), "missing .*norm.submodule.weight"),
    "not rcps": (lambda f: rewrite_config(f, rcps=False), "tensors are missing"),
    "not tied": (lambda f: rewrite_config(f, bidirectional_weight_tie=False), "4 tensors are missing .*mamba_rev"),
    "weights not tied": (
        lambda f: rewrite_tensors(f, lambda t: t.update({IN_PROJ.replace("fwd", "rev"): t[IN_PROJ] + 1})),
        "1 tensors that config.json has no place for: .*mamba_rev.in_proj",
    ),
    "another complement": (
        lambda f: rewrite_tensors(f, lambda t: t.update({"lm_head.complement_map": torch.arange(16)})),
        "lm_head.complement_map differs from the complement_map of config.json",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_folder_is_refused_with_the_file_and_the_reason(case: str, folder: Path) -> None:
    breaks, message = BROKEN[case]
    breaks(folder)
    with pytest.raises(InputError, match=message) as caught:
        load_caduceus(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("content", [[torch.zeros(2)], {"a": 3}, torch.zeros(2), b"no pickle"], ids=str)
def test_an_old_weight_file_without_tensors_is_refused(content: object, folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    path = folder / "pytorch_model.bin"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(InputError, match=r"pytorch_model.bin: truncated or not a checkpoint"):
        load_caduceus(folder)


class Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable, tuple[str]]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize(
    "writer", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, protocol=2))]
)
def test_a_malicious_weight_file_runs_nothing(writer: Callable, folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").unlink()
    writer({"weight": Malicious(tmp_path / "owned")}, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pytorch_model.bin: truncated or not a checkpoint"):
        load_caduceus(folder)
    assert not (tmp_path / "owned").exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    for source in (tmp_path / "absent", str(tmp_path / "absent"), "./absent/model", "absent"):
        with pytest.raises(InputError, match=r"absent.*: no such folder; give a folder that holds config.json"):
            load_caduceus(source)


NAME = "somebody/caduceus-of-a-test"


def hub(monkeypatch: pytest.MonkeyPatch, download: Callable) -> None:
    """A client of the hub that does what `download` does, and never reaches for a network."""
    client = types.ModuleType("huggingface_hub")
    client.snapshot_download = download
    monkeypatch.setitem(sys.modules, "huggingface_hub", client)


def test_a_hub_name_without_a_network_says_how_to_supply_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(name: str, **_: object) -> str:
        raise ConnectionError(f"can't resolve the host\nwhile looking for {name}")

    hub(monkeypatch, offline)
    with pytest.raises(InputError) as caught:
        load_caduceus(NAME)
    message = str(caught.value)
    assert message.startswith(f"{NAME}: could not be fetched from the hub (can't resolve the host)")
    assert "give a folder that holds config.json and model.safetensors" in message
    assert "\n" not in message


def test_a_hub_name_without_the_hubs_client_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=f"{NAME}: .*needs the package huggingface_hub; give a folder that holds"):
        load_caduceus(NAME)


@pytest.mark.parametrize("revision", [None, "d89eeb85"])
def test_only_data_is_fetched_from_the_hub(revision: str | None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(name: str, **named: object) -> str:
        asked.append((name, named))
        return str(folder)

    hub(monkeypatch, download)
    source = NAME if revision is None else f"{NAME}@{revision}"
    assert torch.equal(load_caduceus(source)(IDS), load_caduceus(folder)(IDS))
    patterns = ["config.json", "model.safetensors", "pytorch_model.bin"]
    assert asked == [(NAME, {"revision": revision, "allow_patterns": patterns})]


@pytest.mark.parametrize(
    "network",
    [
        pytest.param({"HF_HUB_OFFLINE": "1"}, id="offline"),
        pytest.param({"HF_ENDPOINT": "http://127.0.0.1:9"}, id="refused", marks=pytest.mark.slow),
    ],
)
def test_the_hubs_own_client_gives_up_at_once_without_a_network(network: dict[str, str], tmp_path: Path) -> None:
    code = (
        "from contactlens.dna.models.caduceus import load_caduceus; import time\n"
        "from contactlens.base.errors import InputError\n"
        "start = time.monotonic()\n"
        f"try: load_caduceus('{NAME}@d89eeb85')\n"
        "except InputError as error: print(f'{time.monotonic() - start:.1f}', error, sep='|')"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_TELEMETRY": "1", **network}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    seconds, message = done.stdout.strip().split("|")
    assert float(seconds) < 30
    assert message.startswith(f"{NAME}@d89eeb85: could not be fetched from the hub (")
    assert message.endswith("(`hf download NAME --local-dir FOLDER`)") and "\n" not in message
