"""Pickles that an unrestricted unpickler would run, or that try to bend a restricted one."""

import copyreg
import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from track_inputs import legacy_track

RUN_BY_PICKLE = (
    "os.system",
    "protocol 0",
    "eval",
    "exec",
    "getattr chain",
    "nested",
    "dict key",
    "inst",
    "obj",
)


class Calls:
    """Pickles as a call of `function`."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def attacks(canary: Path) -> dict[str, bytes]:
    """By name; those in RUN_BY_PICKLE create `canary` when plainly unpickled."""
    return _calls(canary) | _opcodes(canary) | _bent_reader(canary)


def _calls(canary: Path) -> dict[str, bytes]:
    command, code = f"touch {canary}", f"open({str(canary)!r}, 'w')"
    track = legacy_track()
    return {
        "os.system": pickle.dumps(Calls(os.system, command)),
        "protocol 0": pickle.dumps(Calls(os.system, command), protocol=0),
        "eval": pickle.dumps(Calls(eval, code)),
        "exec": pickle.dumps(Calls(exec, code)),
        "nested": pickle.dumps([tuple(track), (Calls(eval, code), *track[1:])]),
        "dict key": pickle.dumps({Calls(eval, code): 1}),
        "copyreg": pickle.dumps(Calls(copyreg._reconstructor, OrderedDict, object, None)),
        "object array": pickle.dumps([(np.array([Calls(eval, code)], dtype=object), *track[1:])]),
        "numpy's file reader": pickle.dumps(Calls(np.load, str(canary))),
    }


def _opcodes(canary: Path) -> dict[str, bytes]:
    command = b"Vtouch " + str(canary).encode() + b"\n"
    system = os.system.__module__.encode() + b"\nsystem\n"
    imported = b"c__builtin__\n__import__\n(Vos\ntR"
    return {
        "getattr chain": b"c__builtin__\ngetattr\n(" + imported + b"Vsystem\ntR(" + command + b"tR.",
        "copyreg then build": b"ccopyreg\n__newobj__\n(c" + system + command + b"tR.",
        "inst": b"(" + command + b"i" + system + b".",
        "obj": b"(c" + system + command + b"o.",
        "dotted global": b"\x80\x04\x8c\x05numpy\x8c\x16ndarray.__subclasses__\x93)R.",
        "persistent id": b"P" + command[1:] + b".",
        "extension code": b"\x80\x02\x82\x01.",
        "out-of-band buffer": b"\x80\x05\x97.",
    }


def _bent_reader(canary: Path) -> dict[str, bytes]:
    """Use of the admitted globals for what they are not admitted for."""
    object_dtype = b"cnumpy\ndtype\n(VO8\nI00\nI01\ntR"
    return {
        "object scalar": b"cnumpy._core.multiarray\nscalar\n(" + object_dtype + b"c__builtin__\neval\ntR.",
        "state of a global": b"cnumpy\ndtype\n(dVcall\nV" + str(canary).encode() + b"\nsb.",
        "slots of a global": b"\x80\x02cnumpy\ndtype\nN}X\x04\x00\x00\x00callX\x01\x00\x00\x00xs\x86b.",
        "new object of a global": b"\x80\x02cnumpy\ndtype\n)\x81.",
        "call of ndarray": b"cnumpy\nndarray\n((I1000000000\ntVO8\ntR.",
        "other codec": b"c_codecs\nencode\n(Vabc\nVrot13\ntR.",
    }
