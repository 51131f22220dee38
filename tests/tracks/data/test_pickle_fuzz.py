"""Whatever program a legacy pickle holds, reading it runs nothing, opens nothing for writing, and stays small."""

import json
import os
import pickle
import pickletools
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from track_inputs import legacy_track, write_legacy

from contactlens.base.errors import InputError
from contactlens.tracks.data.importing.legacy import import_legacy

FUZZER = Path(__file__).with_name("pickle_fuzzer.py")


def fuzzed(first: int, programs: int, folder: Path) -> dict[str, Any]:
    command = [sys.executable, str(FUZZER), str(first), str(programs), str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("first", "programs"), [(0, 4000), pytest.param(10**6, 40_000, marks=pytest.mark.slow)], ids=["short", "long"]
)
def test_random_programs_run_nothing(tmp_path: Path, first: int, programs: int) -> None:
    found = fuzzed(first, programs, tmp_path)
    assert found["events"] == []
    assert not found["canary"]
    assert found["control"] and found["control"][0].startswith(("pickle.find_class", "import", "os.system"))
    assert set(found["endings"]) == {"UnpicklingError", "RefusedGlobal", "loaded", "loaded, refused"}
    assert sum(found["endings"].values()) == programs
    assert found["endings"]["loaded"] > programs / 50, "most programs ended before they did anything"
    assert set(found["held"]) == {code.name for code in pickletools.opcodes} - {"STOP", "PROTO"}
    assert found["slowest_s"] < 2
    assert found["memory_mb"] < 1500


def doubled(depth: int, twice: bytes = b"(h%ch%ce") -> bytes:
    """A list of two of a list of two of ...: 2**depth numbers in a few bytes each."""
    parts = [b"]q\x00K\x01a0"]
    parts += [b"]q%c" % i + twice % (i - 1, i - 1) + b"0" for i in range(1, depth)]
    return b"".join(parts) + b"h%c" % (depth - 1)


def nested(depth: int) -> bytes:
    return b")" + b"\x85" * depth


WIDE = b"]q\x00(" + b"K\x01" * 20_000 + b"e0](" + b"h\x00" * 20_000 + b"e"
RAW = b"C\xff" + bytes(255)
SCALAR, DTYPE = b"cnumpy._core.multiarray\nscalar\n(", b"cnumpy\ndtype\n("
BOMBS: dict[str, tuple[bytes, str]] = {
    "doubled lists": (doubled(100), "lists nested more than 8 deep"),
    "a list in itself": (b"]q\x00h\x00a", "lists nested more than 8 deep"),
    "a wide list many times": (WIDE, "would unfold to 400,0"),
    "a track many times": (
        b"(" + pickle.dumps(tuple(legacy_track(4000)), 2)[2:-1] + b"q\xfft](0" + b"(" + b"h\xff" * 20_000 + b"l",
        "would unfold to",
    ),
    "a deep key": (b"}" + nested(200_000) + b"K\x01s", "a key that is no text or number"),
    "deep keys": (b"}(" + nested(200_000) + b"K\x01u", "a key that is no text or number"),
    "a deep dict": (b"(" + nested(200_000) + b"K\x01d", "a key that is no text or number"),
    "a deep set": (b"\x8f(" + nested(200_000) + b"\x90", "a key that is no text or number"),
    "a deep frozen set": (b"(" + nested(200_000) + b"\x91", "a key that is no text or number"),
    "lists as text": (b"c_codecs\nencode\n(" + doubled(60) + b"Vlatin1\ntR", "encoding 'latin1' of list"),
    "lists as an encoding": (b"c_codecs\nencode\n(Va\n" + doubled(60) + b"tR", "encoding a list of str"),
    "an endless name": (b"c" + b"m" * 10**6 + b"\nn\n", "refused, the pickle names mmm"),
    "an endless number": (b"L" + b"9" * 10**6 + b"\n", "Exceeds the limit"),
    "a terabyte claimed": (b"\x8e" + (2**40).to_bytes(8, "little") + RAW, "not a readable pickle"),
    "a frame beyond all": (b"\x95" + (2**64 - 1).to_bytes(8, "little") + RAW, "frame size > sys.maxsize"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_claims_neither_time_nor_memory(tmp_path: Path, name: str) -> None:
    content, says = BOMBS[name]
    path = tmp_path / "legacy.pkl"
    path.write_bytes(b"\x80\x05" + content + b".")
    began = time.process_time()
    tracemalloc.start()
    with pytest.raises(InputError) as error:
        import_legacy(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert says in str(error.value) and len(str(error.value)) < 400
    assert peak < 2**28
    assert time.process_time() - began < 20


FIELDS: dict[str, tuple[bytes, str]] = {
    "doubled lists": (doubled(6), "no"),
    "dtype of lists": (SCALAR + DTYPE + doubled(6) + b"tRC\x01xtR", "holds a list, not plain numbers"),
    "object dtype": (SCALAR + DTYPE + b"VO8\ntRC\x08xxxxxxxxtR", "holds 'O8', not plain numbers"),
    "structured dtype": (SCALAR + DTYPE + b"Vf8,O\ntRC\x08xxxxxxxxtR", "holds 'f8,O', not plain numbers"),
    "shape of exabytes": (
        b"cnumpy._core.numeric\n_frombuffer\n(" + RAW + DTYPE + b"Vu1\ntR(L" + b"9" * 30 + b"\nt" + b"VC\ntR",
        "not an array of numbers",
    ),
    "no raw bytes": (SCALAR + DTYPE + b"Vf8\ntRNtR", "holds no raw bytes"),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_is_no_array_is_named(tmp_path: Path, name: str) -> None:
    content, says = FIELDS[name]
    path = tmp_path / "legacy.pkl"
    path.write_bytes(b"\x80\x05](" + b"(" + content + b"]" * 8 + b"te.")  # a track of this field and empty lists
    with pytest.raises(InputError) as error:
        import_legacy(path)
    assert "legacy.pkl, track 0, observation_times: " in str(error.value) and says in str(error.value)


def test_tracks_that_share_their_times_are_no_bomb(tmp_path: Path) -> None:
    times = np.arange(4000) * 30.0
    tracks = [legacy_track(4000, seed)._replace(observation_times=times) for seed in range(6)]
    assert import_legacy(write_legacy(tmp_path / "legacy.pkl", tracks)).report.frames == 24_000
