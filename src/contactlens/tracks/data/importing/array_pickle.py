"""Reading a pickle that holds only NumPy arrays in plain containers, without running anything it names.

Not even NumPy's own reconstruction functions are handed to the pickle: what stands for them here records a
dtype name, a shape and raw bytes, which become an array only when asked for, and only for plain numbers.
"""

import io
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np

PLAIN_NUMBER = re.compile(r"[biuf][1248]")
DEEPEST = 8  # lists in lists; tracks of fields of coordinates are four
SHOWN = 100  # letters of a name that a message repeats


class _Dtype:
    """Stands for `numpy.dtype(name, align, copy)` and the byte order of its state."""

    def __init__(self, name: Any, *_: Any) -> None:
        self.name = name
        self.byte_order = "<"

    def __setstate__(self, state: Any) -> None:
        _, self.byte_order, *_ = state

    def resolve(self) -> np.dtype:
        if not isinstance(self.name, str) or not PLAIN_NUMBER.fullmatch(self.name):
            raise ValueError(f"holds {_shown(self.name)}, not plain numbers")
        return np.dtype(self.name).newbyteorder(">" if self.byte_order == ">" else "<")


class PickledArray:
    """An array as the pickle describes it: nothing in here has been trusted yet."""

    def __init__(self, dtype: Any = None, shape: Any = (), order: Any = "C", raw: Any = b"") -> None:
        self.dtype, self.shape, self.order, self.raw = dtype, shape, order, raw

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.dtype, fortran, self.raw = state
        self.order = "F" if fortran else "C"

    def resolve(self) -> np.ndarray:
        """The array; ValueError where the description is none of an array of plain numbers."""
        if not isinstance(self.dtype, _Dtype):
            raise ValueError("has no dtype")
        dtype = self.dtype.resolve()
        raw = self.raw.encode("latin1") if isinstance(self.raw, str) else self.raw
        if not isinstance(raw, bytes | bytearray):
            raise ValueError("holds no raw bytes")
        return np.frombuffer(raw, dtype).reshape(self.shape, order="F" if self.order == "F" else "C")

    @property
    def n_bytes(self) -> int:
        return len(self.raw) if isinstance(self.raw, str | bytes | bytearray) else 0


class _Global:
    """Stands for an admitted global: callable, as the pickle expects, and closed to any change by it."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call

    def __call__(self, *args: Any) -> Any:
        return self.call(*args)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a global's state can't be set")


def _from_buffer(raw: Any, dtype: Any, shape: Any, order: Any) -> PickledArray:
    return PickledArray(dtype, shape, order, raw)


def _scalar(dtype: Any, raw: Any) -> PickledArray:
    return PickledArray(dtype, raw=raw)


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1" or not isinstance(text, str):
        raise pickle.UnpicklingError(f"encoding {_shown(encoding)} of {type(text).__name__}")
    return text.encode("latin1")


def _shown(value: Any) -> str:
    """Not the repr of a container: lists that hold each other many times over would fill the memory."""
    return repr(value[:SHOWN]) if isinstance(value, str) else f"a {type(value).__name__}"


def _never(*_: Any) -> None:
    raise pickle.UnpicklingError("numpy.ndarray is called")


ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _never,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}
for _package in ("numpy.core", "numpy._core"):
    ADMITTED[f"{_package}.multiarray", "_reconstruct"] = lambda *_: PickledArray()
    ADMITTED[f"{_package}.multiarray", "scalar"] = _scalar
    ADMITTED[f"{_package}.numeric", "_frombuffer"] = _from_buffer


class RefusedGlobal(pickle.UnpicklingError):
    """The pickle names something else than a NumPy array."""


def _load_bytearray(unpickler: Any) -> None:
    # The inherited method reserves the stated length before it looks whether the file is that long.
    length = int.from_bytes(unpickler.read(8), "little")
    unpickler.append(unpickler.read(length))


def _refuse_hashing(load: Callable[[Any], None], keys: Callable[[Any], list[Any]]) -> Callable[[Any], None]:
    """`load` for plain keys alone: hashing tuples nested a million deep would overrun the interpreter's stack."""

    def checked(unpickler: Any) -> None:
        if not all(isinstance(key, str | int | bytes) for key in keys(unpickler)):
            raise pickle.UnpicklingError("a key that is no text or number")
        load(unpickler)

    return checked


def _hashing() -> dict[int, Callable[[Any], None]]:
    """The operations that put keys into dicts and sets, by where they find them on the stack."""
    every, alternate = (lambda u: u.stack), (lambda u: u.stack[::2])
    places = {pickle.SETITEM: lambda u: u.stack[-2:-1], pickle.SETITEMS: alternate, pickle.DICT: alternate}
    places |= {pickle.ADDITEMS: every, pickle.FROZENSET: every}
    return {code[0]: _refuse_hashing(pickle._Unpickler.dispatch[code[0]], keys) for code, keys in places.items()}


class _ArrayUnpickler(pickle._Unpickler):
    """Unlike the unpickler written in C, it can't be made to claim gigabytes by a damaged index or length."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise RefusedGlobal(f"{module}.{name}"[:SHOWN])
        return _Global(ADMITTED[module, name])

    dispatch = pickle._Unpickler.dispatch | {pickle.BYTEARRAY8[0]: _load_bytearray} | _hashing()


def load(content: bytes) -> Any:
    """Containers and numbers of the pickle, with a `PickledArray` for each array.

    Raises RefusedGlobal for anything but arrays in plain containers, UnpicklingError for a damaged pickle.
    """
    try:
        return _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # damaged pickles fail in any operation of the stack machine
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error


def numbers_described(value: Any) -> int:
    """About how many numbers `value` would unfold to, counted without unfolding: a pickle of a few bytes may say of
    lists that each holds the one before it ten times.
    """
    known: dict[int, int] = {}

    def count(inner: Any, depth: int) -> int:
        if isinstance(inner, PickledArray):
            return inner.n_bytes
        if not isinstance(inner, list | tuple):
            return 1
        if depth > DEEPEST:
            raise ValueError(f"lists nested more than {DEEPEST} deep")
        if id(inner) not in known:
            known[id(inner)] = 1 + sum(count(item, depth + 1) for item in inner)
        return known[id(inner)]

    return count(value, 0)
