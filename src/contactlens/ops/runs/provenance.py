"""Where a run came from: the code, the locked packages, the seed and the content of its inputs."""

import hashlib
import json
import subprocess
from collections.abc import Iterable
from pathlib import Path

import contactlens

PACKAGE = Path(contactlens.__file__).parent
UNKNOWN = "unknown"


def _file_hash(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def dvc_hash(path: Path | str) -> str:
    """The hash that DVC 3 writes into dvc.lock for this content: MD5 of a file; of a folder, that of its
    listing.

    Computed from what is there, so it is right whether or not DVC has seen it yet.
    """
    path = Path(path)
    if path.is_file():
        return _file_hash(path, "md5")
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    listing = [{"md5": _file_hash(files[name], "md5"), "relpath": name} for name in sorted(files)]
    return hashlib.md5(json.dumps(listing, sort_keys=True).encode()).hexdigest() + ".dir"


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(PACKAGE), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def git_commit() -> str:
    """Commit of the running code, `+changes` where tracked files differ from it; `unknown` outside of git.

    dvc.lock does not count: every run writes it, and the hashes in it are tags of their own.
    """
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return UNKNOWN
    changes = _git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)dvc.lock")
    return f"{commit}+changes" if changes else commit


def code_hash(*parts: str) -> str:
    """SHA-256 over the package's Python sources, or over those in the named folders and files of it.

    Raises FileNotFoundError where there is no such part.
    """
    roots = [PACKAGE / part for part in parts] or [PACKAGE]
    for root in roots:
        root.stat()
    files = sorted({file for root in roots for file in ([root] if root.is_file() else root.rglob("*.py"))})
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(PACKAGE).as_posix()} {_file_hash(file, 'sha256')}\n".encode())
    return digest.hexdigest()


def lock_hash(root: Path = PACKAGE.parents[1]) -> str:
    """SHA-256 of the locked packages of a checkout, by default the running code's; `unknown` where it has none."""
    lock = root / "requirements.lock"
    return _file_hash(lock, "sha256") if lock.is_file() else UNKNOWN


def provenance(seed: int, inputs: Iterable[Path | str]) -> dict[str, str]:
    """Tags for an MLflow run: `git_commit`, `lock_sha256`, `seed`, and `dvc/<path>` for each input."""
    return {
        "git_commit": git_commit(),
        "lock_sha256": lock_hash(),
        "seed": str(seed),
        **{f"dvc/{Path(path).as_posix()}": dvc_hash(path) for path in inputs},
    }
