"""Small random faults, one at a time, in a copy of the source: which do the fast tests catch?

python benchmarks/mutations.py --faults 30 --seed 0 --table mutations.csv

A fault turns one comparison round, exchanges + and - or * and /, changes a number, drops a `not`, or returns None.
First the test files that import the touched module run, then all of its room, then all tests. A table that exists is
continued.
"""

import argparse
import ast
import csv
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "src/contactlens"
COPIED = (
    "src",
    "tests",
    "pipelines",
    "profiles",
    "benchmarks",
    "docs",
    ".ci",
    "data/import",
    "data/import_dna",
    "cluster",
)
TURNED: dict[type, type] = {
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
EXCHANGED: dict[type, type] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
COLUMNS = ("number", "kind", "file", "line", "before", "after", "caught_by", "seconds")


@dataclass(frozen=True)
class Fault:
    """One node of a file and what takes its place."""

    kind: str
    file: str
    node: ast.expr | ast.stmt
    changed: ast.AST

    @property
    def text(self) -> str:
        text = ast.unparse(self.changed)
        return text if isinstance(self.node, ast.stmt) else f"({text})"

    def applied(self, source: str) -> str:
        """The source with the fault in it; offsets of `ast` count bytes."""
        lines = source.encode().splitlines(keepends=True)
        node = self.node
        assert node.end_lineno is not None and node.end_col_offset is not None
        before = b"".join(lines[: node.lineno - 1]) + lines[node.lineno - 1][: node.col_offset]
        after = lines[node.end_lineno - 1][node.end_col_offset :] + b"".join(lines[node.end_lineno :])
        return (before + self.text.encode() + after).decode()


def faults_of(file: str, source: str) -> Iterator[Fault]:
    """Every fault that this script knows to make in a file."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    annotations = {id(inner) for node in nodes for inner in _annotated(node)}
    for node in nodes:
        if id(node) in annotations:
            continue
        for kind, changed in _changes(node):
            assert isinstance(node, ast.expr | ast.stmt)
            yield Fault(kind, file, node, changed)


def _annotated(node: ast.AST) -> Iterator[ast.AST]:
    for name in ("annotation", "returns"):
        if (found := getattr(node, name, None)) is not None:
            yield from ast.walk(found)


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield "comparison", ast.Compare(node.left, [TURNED[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.BinOp) and type(node.op) in EXCHANGED and not _is_text(node):
        yield "operator", ast.BinOp(node.left, EXCHANGED[type(node.op)](), node.right)
    elif isinstance(node, ast.Constant) and isinstance(value := node.value, bool | int | float):
        other = not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else 2 * value + 0.5
        yield "number", ast.Constant(other)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not", node.operand
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield "return", ast.Return(ast.Constant(None))


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(s, ast.JoinedStr) or (isinstance(s, ast.Constant) and isinstance(s.value, str)) for s in sides
    )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def drawn(root: Path, n: int, seed: int) -> list[Fault]:
    """n faults: the kind at random first, so that rare kinds occur, then the place."""
    kinds: dict[str, list[Fault]] = defaultdict(list)
    for path in sorted((root / PACKAGE).rglob("*.py")):
        for fault in faults_of(str(path.relative_to(root)), path.read_text()):
            kinds[fault.kind].append(fault)
    rng = random.Random(seed)
    return [rng.choice(kinds[rng.choice(sorted(kinds))]) for _ in range(n)]


def tests_of(root: Path, file: str) -> Iterator[list[str]]:
    """Test files that import the module, those of its room first; then the folder of its room; then all, as
    `make test` runs them."""
    module = ".".join(Path(file).with_suffix("").parts[1:]).removesuffix(".__init__")
    parent, _, name = module.rpartition(".")
    imports = re.compile(rf"{re.escape(module)}\b|from {re.escape(parent)} import [^\n]*\b{name}\b")
    room = Path(file).parent.relative_to(PACKAGE)
    tests = sorted((root / "tests").rglob("test_*.py"))
    importing = [path for path in tests if imports.search(path.read_text())]
    importing.sort(key=lambda path: not path.is_relative_to(root / "tests" / room))
    if importing:
        yield [str(path.relative_to(root)) for path in importing]
    while room != Path() and not (root / "tests" / room).is_dir():
        room = room.parent
    if room != Path():
        yield [f"tests/{room}"]
    yield ["-n", "2", "--dist", "loadfile", "tests"]


def caught(root: Path, file: str, limit_s: float) -> str:
    """The first test that fails, or what else ended the run; '' where all pass."""
    environment = os.environ | {"PYTHONPATH": str(root / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    for paths in tests_of(root, file):
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-rfE", "-p", "no:cacheprovider", *paths]
        try:
            done = subprocess.run(
                command, cwd=root, env=environment, capture_output=True, text=True, timeout=limit_s, check=False
            )
        except subprocess.TimeoutExpired:
            return f"no end within {limit_s:.0f} s: {paths[0]}"
        if done.returncode not in (0, 5):
            failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
            return failed[1] if failed else (done.stdout + done.stderr).strip().splitlines()[-1][:120]
    return ""


def run(root: Path, faults: list[Fault], table: Path, limit_s: float) -> None:
    """Append a row for each fault that the table lacks."""
    done = len(list(csv.DictReader(table.read_text().splitlines()))) if table.is_file() else 0
    with table.open("a", newline="") as file:
        rows = csv.writer(file)
        if file.tell() == 0:
            rows.writerow(COLUMNS)
        for number, fault in list(enumerate(faults))[done:]:
            path = root / fault.file
            source = path.read_text()
            start = time.perf_counter()
            path.write_text(fault.applied(source))
            try:
                by = caught(root, fault.file, limit_s)
            finally:
                path.write_text(source)
            before = " ".join((ast.get_source_segment(source, fault.node) or "").split())
            place = (fault.kind, fault.file, fault.node.lineno, before, fault.text)
            rows.writerow([number, *place, by, round(time.perf_counter() - start, 1)])
            file.flush()
            print(f"{number} {fault.kind} {fault.file}:{fault.node.lineno}: {by or 'NOT CAUGHT'}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", type=Path, default=Path("mutations.csv"))
    parser.add_argument("--limit-s", type=float, default=900, help="longest run of tests, in seconds")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "repo"
        for name in COPIED:
            shutil.copytree(ROOT / name, root / name, symlinks=True)
        for path in [*ROOT.glob("*.*"), ROOT / "Makefile", ROOT / "MLproject", ROOT / "LICENSE"]:
            if path.is_file():
                shutil.copy(path, root)
        run(root, drawn(root, arguments.faults, arguments.seed), arguments.table, arguments.limit_s)


if __name__ == "__main__":
    main()
