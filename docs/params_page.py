"""The page of params.yaml: every key with its meaning, range and value, read from the typed sections themselves."""

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml
from docstrings import TERM, blocks

from contactlens.base.settings import limits_in_words
from contactlens.ops.params.sections import Params

SEE = re.compile(r"see `([A-Z]\w+)`[.\n]*$")
HEAD = ("| key | meaning | may be | default |", "|---|---|---|---|")
NAMES = {int: "whole number", float: "number", str: "text", bool: "true or false"}


@dataclass(frozen=True)
class Key:
    """A key of params.yaml: its dotted name, what it means, what it may be, and its default."""

    name: str
    meaning: str
    kind: str
    value: str


@dataclass(frozen=True)
class Part:
    """A section of params.yaml: its dotted name, what it is about, and its own keys."""

    name: str
    about: str
    keys: tuple[Key, ...]


def parts(values: Any, as_type: type = Params, name: str = "") -> Iterator[Part]:
    """The sections from the top down. `values`: an instance of `as_type`, as read from params.yaml."""
    terms, about = documented(as_type)
    hints = get_type_hints(as_type, include_extras=True)
    keys, below = [], []
    for one in fields(as_type):
        path, value = f"{name}.{one.name}".lstrip("."), getattr(values, one.name)
        if is_dataclass(value):
            below.append((value, type(value), path))
        else:
            keys.append(Key(path, terms.get(one.name, ""), in_words(hints[one.name]), shown(value)))
    yield Part(name, about, tuple(keys))
    for value, kind, path in below:
        yield from parts(value, kind, path)


def documented(as_type: type) -> tuple[dict[str, str], str]:
    """Meaning of each field and the class's first sentence, as its docstring says, those of the classes that it extends
    and that of a class that it refers to by `see`."""
    terms: dict[str, str] = {}
    about = ""
    for cls in reversed([cls for cls in as_type.__mro__ if is_dataclass(cls)]):
        for number, block in enumerate(blocks(inspect.cleandoc(cls.__doc__ or "").splitlines())):
            if term := TERM.match(block):
                terms |= dict.fromkeys(term["names"].split(", "), term["meaning"])
            elif number == 0:
                about = block
            if referred := SEE.search(block):
                terms = documented(getattr(sys.modules[cls.__module__], referred[1]))[0] | terms
    return terms, about


def in_words(hint: Any) -> str:
    """A field's type and limits, such as `number, positive` or `relu or tanh`."""
    if get_origin(hint) is Annotated:
        limits = limits_in_words(hint).removeprefix("must ").removeprefix("be ")
        return f"{in_words(get_args(hint)[0])}{f', {limits}' if limits else ''}"
    if get_origin(hint) is Literal:
        return " or ".join(map(str, get_args(hint)))
    if get_origin(hint) in (Union, UnionType):
        return " or ".join("null" if one is NoneType else in_words(one) for one in get_args(hint))
    if get_origin(hint) is tuple:
        items = [in_words(one) for one in get_args(hint) if one is not ...]
        count = "" if ... in get_args(hint) else f"{len(items)} x "
        return f"[{count}{items[0]}]" if len(set(items)) == 1 else f"[{', '.join(items)}]"
    return NAMES.get(hint, "mapping")


def plain(value: Any) -> Any:
    """Tuples as lists and settings as mappings without what is null, at any depth."""
    if is_dataclass(value):
        return {one.name: plain(found) for one in fields(value) if (found := getattr(value, one.name)) is not None}
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, tuple) else value


def shown(value: Any) -> str:
    """As params.yaml would have it."""
    return yaml.safe_dump(plain(value), default_flow_style=True, width=10_000).removesuffix("\n...\n").strip()


def page(values: Params) -> str:
    """Markdown: a heading and a table for each section that has keys of its own."""
    lines: list[str] = []
    for part in parts(values):
        if not part.keys:
            continue
        lines += [f"## {part.name or 'the file'}", part.about, "", *HEAD]
        for key in part.keys:
            cells = [
                f"`{key.name.removeprefix(f'{part.name}.')}`",
                cell(key.meaning),
                cell(escaped(key.kind)),
                cell(f"`{key.value}`"),
            ]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Without Markdown's own meaning of brackets and the like."""
    return re.sub(r"([\[\]^*_$])", r"\\\1", text)


def cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text).replace("\n", " ")
