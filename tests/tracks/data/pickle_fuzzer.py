"""Random programs for the pickle machine, fed to the reader of legacy pickles under an audit hook.

    python pickle_fuzzer.py FIRST_SEED PROGRAMS FOLDER

prints one JSON object: how many programs ended how, which operations they held, the forbidden events that the hook
saw (there must be none), the slowest program in seconds and the largest memory in MB.
"""

import io
import json
import pickle
import pickletools
import random
import re
import resource
import struct
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from malicious_pickles import attacks
from track_inputs import legacy_track

from contactlens.tracks.data.importing import array_pickle
from contactlens.tracks.data.importing.legacy import _plain

FORBIDDEN = ("os.", "subprocess.", "socket.", "exec", "compile", "import", "ctypes.", "shutil.", "code.", "pickle.find")
OPCODES = {code.name: code for code in pickletools.opcodes}
ADMITTED = len(array_pickle.ADMITTED)
GLOBALS = [
    *array_pickle.ADMITTED,
    ("os", "system"),
    ("builtins", "eval"),
    ("builtins", "getattr"),
    ("subprocess", "Popen"),
    ("numpy", "load"),
    ("numpy", "ndarray.__subclasses__"),
    ("numpy.core.multiarray", "_reconstruct.__globals__"),
]
WORDS = ["latin1", "rot13", "<", ">", "|", "__class__", "call"]
DTYPES = ["f8", "i4", "O8", "O", "V16", "S3", "M8[ns]", "f8,O", "U4", "c16", "f999999999", ""]
# These end most programs at once, so they are seldom: what comes after them would not be run.
FATAL = {"EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER", "FRAME", "OBJ", "INST"}
FATAL |= {"NEWOBJ", "NEWOBJ_EX", "BUILD"}
VALUABLE = ["MARK", "TUPLE", "REDUCE", "BUILD", "NEWOBJ", "NEWOBJ_EX", "OBJ", "APPENDS", "SETITEMS", "MEMOIZE"]


class Watch:
    """Audit hook that notes what a data file must never cause; it can't be removed, but it can be told to look away."""

    def __init__(self) -> None:
        self.on, self.events = False, list[str]()
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        writes = event == "open" and (arguments[1] not in (None, "r", "rb") or arguments[2] & 3)
        if writes or event.startswith(FORBIDDEN):
            self.events.append(f"{event} {str(arguments)[:80]}")
            raise RuntimeError(event)


def argument(code: pickletools.OpcodeInfo, rng: random.Random) -> bytes:
    """A valid argument, or a hostile one, of an operation."""
    size = rng.choice([0, 1, 3, 5, 200, 2**31 - 1, 2**32 - 1, 2**62]) if rng.random() < 0.02 else None
    text = rng.choice(
        [*DTYPES, "latin1", "rot13", "<", ">", "|", "__class__", "call", *(n for pair in GLOBALS for n in pair)]
    )
    raw = rng.choice([text.encode(), rng.randbytes(8 * rng.randint(0, 3))])
    whole = rng.choice([0, 1, 2, 3, 10, -1, 255, 2**31 - 1, -(2**31)])
    name = code.arg.name if code.arg else ""
    sizes = {"1": "<B", "4": "<I", "8": "<Q"}
    if name == "stringnl_noescape_pair":
        return "\n".join(rng.choice(GLOBALS[: ADMITTED if rng.random() < 0.9 else None])).encode() + b"\n"
    if name == "decimalnl_short":
        return (
            rng.choice([b"0", b"1", b"01", b"00", b"7", b"2"] if rng.random() < 0.97 else [b"x", b"9" * 5000]) + b"\n"
        )
    if name == "decimalnl_long":
        return rng.choice([b"0L", b"-5L", b"1"] if rng.random() < 0.97 else [b"9" * 9999]) + b"\n"
    if name == "floatnl":
        return rng.choice([b"1.5", b"inf", b"nan", b"1e999", b"x"]) + b"\n"
    if name == "stringnl":
        return repr(text).encode() + b"\n"
    if name.startswith(("stringnl", "unicodestringnl")):
        return text.encode() + b"\n"
    if name == "float8":
        return struct.pack(">d", rng.choice([0.0, 1e300, float("nan")]))
    fixed = {"uint1": "<B", "uint2": "<H", "int4": "<i", "uint4": "<I", "uint8": "<Q"}
    if name in fixed:
        return struct.pack(fixed[name], whole % 2 ** (8 * struct.calcsize(fixed[name])) if name != "int4" else whole)
    counted = next((form for digit, form in sizes.items() if name.endswith(digit)), None)
    if counted is None:
        return b""
    claimed = len(raw) if size is None else size % 2 ** (8 * struct.calcsize(counted))
    return struct.pack(counted, claimed) + raw


def after(code: pickletools.OpcodeInfo, stack: list[str]) -> list[str] | None:
    """The machine's stack after an operation, by kind; None where the operation finds too little on it."""
    before = [kind.name for kind in code.stack_before]
    if "mark" in before:
        if "mark" not in stack:
            return None
        left = len(stack) - 1 - stack[::-1].index("mark") - before.index("mark")
    else:
        left = len(stack) - len(before)
        if "mark" in stack[max(left, 0) :]:
            return None
    return None if left < 0 else stack[:left] + [kind.name for kind in code.stack_after]


def program(rng: random.Random) -> tuple[bytes, list[str]]:
    """Operations in any order, most of them where the stack allows, some as a hostile author would order them."""
    names, parts, stack = list[str](), [b"\x80\x04"], list[str]()
    known = [name for name in OPCODES if name not in ("STOP", "PROTO")]
    for _ in range(rng.randint(1, 25)):
        run = rng.choice(IDIOMS) if rng.random() < 0.3 else [rng.choice(VALUABLE if rng.random() < 0.3 else known)]
        for name in run:
            if name in FATAL and rng.random() < 0.95:
                continue
            then = after(OPCODES[name], stack)
            if then is None and rng.random() < 0.98:
                continue
            stack = stack if then is None else then
            names.append(name)
            parts.append(OPCODES[name].code.encode("latin1") + argument(OPCODES[name], rng))
    return b"".join(parts) + b"." * (rng.random() < 0.95), names


IDIOMS = [
    ["GLOBAL", "MARK", "UNICODE", "INT", "INT", "TUPLE", "REDUCE"],
    ["SHORT_BINUNICODE", "SHORT_BINUNICODE", "STACK_GLOBAL", "EMPTY_TUPLE", "REDUCE"],
    ["GLOBAL", "EMPTY_TUPLE", "NEWOBJ"],
    ["GLOBAL", "EMPTY_TUPLE", "EMPTY_DICT", "NEWOBJ_EX"],
    ["MARK", "GLOBAL", "UNICODE", "OBJ"],
    ["MARK", "UNICODE", "INST"],
    ["GLOBAL", "GLOBAL", "EMPTY_TUPLE", "SHORT_BINBYTES", "TUPLE3", "REDUCE"],
    ["GLOBAL", "GLOBAL", "SHORT_BINUNICODE", "TUPLE1", "REDUCE", "SHORT_BINBYTES", "TUPLE2", "REDUCE"],
    ["MARK", "INT", "BININT1", "TUPLE1", "GLOBAL", "NEWFALSE", "SHORT_BINBYTES", "TUPLE", "BUILD"],
    ["EMPTY_DICT", "UNICODE", "NONE", "SETITEM", "BUILD"],
    ["EMPTY_LIST", "MEMOIZE", "BINGET", "APPEND", "BINGET", "APPEND"],
    ["DUP", "DUP", "TUPLE3", "MEMOIZE"],
    ["EXT1"],
    ["EXT4"],
    ["PERSID"],
    ["UNICODE", "BINPERSID"],
    ["EMPTY_SET", "MARK", "BINGET", "ADDITEMS"],
    ["MARK", "BINGET", "FROZENSET"],
    ["NEXT_BUFFER", "READONLY_BUFFER"],
    ["LONG_BINPUT", "LONG_BINGET"],
    ["FRAME"],
]


def main(first: int, programs: int, folder: Path) -> dict[str, Any]:
    watch, path, canary = Watch(), folder / "legacy.pkl", folder / "canary"
    for protocol in range(6):  # what is imported on first use is imported here
        path.write_bytes(pickle.dumps([tuple(legacy_track()), "\u00b5"], protocol))
        read(path.read_bytes())
    resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30,) * 2)
    endings, held, slowest = Counter[str](), Counter[str](), 0.0
    for seed in range(first, first + programs):
        content, names = program(random.Random(seed))
        held.update(set(names))
        began = time.process_time()
        watch.on = True
        try:
            endings[read(content)] += 1
        finally:
            watch.on = False
        slowest = max(slowest, time.process_time() - began)
    seen = list(watch.events)
    return {
        "endings": endings,
        "held": held,
        "events": seen,
        "control": caught(watch, attacks(canary)["os.system"]),
        "canary": canary.exists(),
        "slowest_s": slowest,
        "memory_mb": peak_mb(),
    }


def peak_mb() -> float:
    """Of this program alone: `ru_maxrss` starts at what the process that started it held."""
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) / 1024


def read(content: bytes) -> str:
    """How the reader ends: with a value, unfolded or refused, or with its own error; anything else is raised."""
    try:
        found = array_pickle.load(content)
    except pickle.UnpicklingError as error:
        assert len(str(error)) < 1000
        return type(error).__name__
    try:
        if array_pickle.numbers_described(found) < 10**5:
            _entry(found)
    except (ValueError, TypeError, OverflowError):
        return "loaded, refused"
    return "loaded"


def _entry(value: Any) -> None:
    """Each array and number in there, as the import takes them."""
    for item in value if isinstance(value, list | tuple) else [value]:
        np.asarray(_plain(item), dtype="float64")


def caught(watch: Watch, attack: bytes) -> list[str]:
    """What the hook sees of an attack that the standard reader runs."""
    watch.events.clear()
    watch.on = True
    try:
        pickle.load(io.BytesIO(attack))
    except RuntimeError:
        pass
    finally:
        watch.on = False
    return list(watch.events)


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))))
