"""The documentation does what it says: commands are parsed by their programs, blocks are run, links lead on."""

import ast
import re
import sys
from dataclasses import asdict
from functools import reduce
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from mlflow.projects._project_spec import load_project

import docs_commands
from contactlens.cli.main import main
from contactlens.cli.options import params_with
from contactlens.ops import workspace
from docs_blocks import FULLY, NOT, PAGES, UNTIL_PIPELINE, Block, all_blocks, blocks_of, inline_commands, links_of
from docs_data import make_checkout

ROOT = Path(__file__).parents[1]
BLOCKS = all_blocks()
SHELL = [block for block in BLOCKS if block.language == "bash"]
COMMANDS = {
    " ".join(words): words
    for words in [
        *(words for block in SHELL for words in block.commands),
        *(words for page in PAGES for words in inline_commands(page)),
    ]
}
SLOW = ("quickstart.md", "windows.md")  # which train
RUN = [page for page in PAGES if any(b.language in ("bash", "python") and b.how != NOT for b in blocks_of(page))]
# What a problem of the machine that runs the tests, such as a full disk, may make of the doctor.
MAY_FAIL = ["contactlens", "doctor"]


def test_the_pages_are_there_and_have_commands() -> None:
    assert {"README.md", "data.md", "windows.md", "quickstart.md", "gallery.md"} <= {page.name for page in PAGES}
    assert len(COMMANDS) > 40
    assert len(RUN) >= 4


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_a_fence_says_what_it_holds_and_why_it_is_not_run(block: Block) -> None:
    assert block.language in {"bash", "text", "python"} or block.language.startswith("{")
    if block.language in {"bash", "python"}:
        assert block.how in {FULLY, UNTIL_PIPELINE, NOT}
        assert (block.how == FULLY) or block.why
    if block.language == "python":
        ast.parse(block.text)


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_command_is_one_that_its_program_takes(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    docs_commands.check(words)


@pytest.mark.parametrize(
    "wrong",
    [
        "contactlens tracks run --no-such-flag",
        "contactlens tracks mds lab",
        "contactlens import windows pairs.tsv --fasta hg38.fa --window-bp many",
        "contactlens dna attribute --bed places.bed",
        "make no-such-target",
        "mlflow run . -e no_such_entry --env-manager=local",
        "dvc metrics no-such",
        "python pipelines/no_such.py",
    ],
)
def test_a_wrong_command_would_be_found(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(BaseException) as raised:  # each parser has its own, SystemExit among them
        docs_commands.check(wrong.split())
    assert not isinstance(raised.value, KeyboardInterrupt)


def test_every_entry_point_of_mlproject_runs_a_stage_that_exists() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    entries = load_project(str(ROOT))._entry_points
    assert len(entries) > 10
    for name, entry in entries.items():
        words = entry.command.split()
        docs_commands.check(words)
        assert name == "main" or words[-1] in stages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_are_keys_of_the_parameters(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    in_blocks = [words for block in blocks_of(page) if block.language == "bash" for words in block.commands]
    for words in [*in_blocks, *inline_commands(page)]:
        if settings := [value for flag, value in pairwise(words) if flag == "--set"]:
            params = asdict(params_with([], settings))
            for key, text in (setting.split("=", 1) for setting in settings):
                value = reduce(lambda section, name: section[name], key.split("."), params)
                asked = yaml.safe_load(text)
                assert value == (tuple(asked) if isinstance(asked, list) else asked), key


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] * (page.name in SLOW)) for page in RUN],
    ids=[page.name for page in RUN],
)
def test_the_blocks_of_a_page_run_one_after_the_other(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(make_checkout(tmp_path))
    monkeypatch.setattr("contactlens.ops.runs.tracking.project_root", lambda start=None: tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    started: list[Path] = []
    monkeypatch.setattr(workspace, "run_pipeline", lambda folder, *_: started.append(Path(folder)) or 0)
    names: dict[str, object] = {}
    for block in blocks_of(page):
        if block.language == "python" and block.how == FULLY:
            exec(compile(block.text, block.name, "exec"), names)
        if block.language != "bash" or block.how == NOT:
            continue
        for words in block.commands:
            started.clear()
            status = run(words, monkeypatch)
            said = capsys.readouterr()
            assert status == 0 or words[:2] == MAY_FAIL, f"{block.name}: {' '.join(words)}: {said.err}{said.out}"
            assert len(started) == (block.how == UNTIL_PIPELINE), f"{block.name}: {' '.join(words)}"
            assert all((folder / "params.yaml").is_file() for folder in started)


def run(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit status of a `contactlens` command, in this process: what it starts can be replaced."""
    assert words[0] == "contactlens", f"{words[0]}: mark the block as not-run, with a reason"
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for link in links_of(page):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            headings = [line.lstrip("#").strip().lower() for line in target.read_text().splitlines() if line[:1] == "#"]
            slugs = {"".join(c for c in one if c.isalnum() or c in " -_").replace(" ", "-") for one in headings}
            assert anchor in slugs, f"{page.name}: {link}"


ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
PLACES = (ROOT / "src" / "contactlens", ROOT)


def names_defined(file: Path) -> set[str]:
    """Functions, classes and tables of a module."""
    found = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def undefined(page: str) -> set[str]:
    """What the page names in code and the repository does not have: `file::name`, a path, or a word of its sources."""
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "pipelines").glob("*.py"), *ROOT.glob("*.yaml")]
    words = set(re.findall(r"\w+", " ".join(file.read_text() for file in sources)))
    outputs = [
        out for stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values() for out in stage["outs"]
    ]
    missing = set()
    for span in re.findall(r"`([^`\n]+)`", page):
        path, _, name = span.partition("::")
        (file,) = [place / path for place in PLACES if (place / path).exists()][:1] or [None]
        if name and span != "file::name":
            known = file is not None and name in names_defined(file)
        elif "/" in path:
            known = file is not None or path in outputs
        else:
            known = file is not None or set(re.findall(r"\w+", span)) <= words
        missing |= set() if known else {span}
    return missing


def test_what_the_architecture_page_names_exists() -> None:
    assert undefined(ARCHITECTURE) == set()
    assert len(re.findall(r"`[^`]+::\w+`", ARCHITECTURE)) > 25
    wrong = "`tracks/no_such.py` `tracks/training/sweep.py::no_such` `no_such.yaml` `reports/no_such.csv` `ops`"
    assert undefined(wrong) == {one for one in re.findall(r"`([^`]+)`", wrong) if "no_such" in one}


def test_the_architecture_page_lists_every_room_and_every_stage() -> None:
    package = ROOT / "src" / "contactlens"
    top, inside = (
        {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
        for table in ARCHITECTURE.split("## Flow")[0].split("| folder of a branch |")
    )

    def rooms(folder: Path) -> set[str]:
        return {path.name for path in folder.iterdir() if (path / "__init__.py").is_file()}

    assert top == rooms(package)
    assert inside == rooms(package / "tracks") | rooms(package / "dna")
    flow = ARCHITECTURE.split("## Flow")[1].split("\n## ")[0]
    stages = set(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
    assert stages <= set(re.findall(r"`(\w+)`", flow))


def figure_names(branch: str) -> set[str]:
    """What the report's code calls its figures: the first argument of `inputs.figure`, a key of its `draw` table, or
    the beginning of a name that ends in the output."""
    found = set()
    for file in (ROOT / "src/contactlens" / branch / "report").glob("*.py"):
        for function in (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)):
            tables = [
                node.value
                for node in ast.walk(function)
                if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict)
            ]
            for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
                if ast.unparse(call.func) != "inputs.figure":
                    continue
                name = call.args[0]
                if isinstance(name, ast.Constant):
                    found.add(str(name.value))
                elif isinstance(name, ast.JoinedStr):
                    found.add(str(ast.literal_eval(name.values[0])))
                else:
                    found |= {str(ast.literal_eval(key)) for table in tables for key in table.keys if key is not None}
    return found


@pytest.mark.parametrize(("branch", "title"), [("tracks", "Tracks"), ("dna", "DNA")])
def test_every_figure_of_the_report_is_explained(branch: str, title: str) -> None:
    page = (ROOT / "docs/figures.md").read_text()
    parts = [part for part in page.split("\n## ") if part.startswith(f"{title}:")]
    rows = [line.split("|")[1] for part in parts for line in part.splitlines() if line.startswith("| `")]
    explained = [name.strip(" `") for row in rows for name in row.split(",")]
    names = figure_names(branch)
    assert len(names) > 12
    assert {name for name in names if not any(one.startswith(name) for one in explained)} == set()
    assert {one for one in explained if not any(one.startswith(name) for name in names)} == set()
