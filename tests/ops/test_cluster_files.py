"""The files of cluster/ against Ray's own schema and command line, and bash's own parser."""

import copy
import shlex
import subprocess
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
SLURM = ROOT / "cluster" / "slurm.sh"
START_COMMANDS = ("head_start_ray_commands", "worker_start_ray_commands")


@pytest.fixture
def aws() -> Any:
    return yaml.safe_load((ROOT / "cluster" / "aws.yaml").read_text())


def validate(config: dict[str, Any]) -> None:
    """As `ray up` does before it calls the provider."""
    from ray.autoscaler._private.util import fillout_defaults, validate_config

    validate_config(fillout_defaults(config))


def ray_start(line: str) -> dict[str, Any]:
    """The options of a `ray start` in a shell line, by Ray's own parser; click.UsageError on one it doesn't have."""
    from ray.scripts.scripts import start

    words = shlex.split(line, comments=True)
    return start.make_context("start", words[words.index("start") + 1 :], resilient_parsing=False).params


def test_the_autoscaler_takes_the_file(aws: dict[str, Any]) -> None:
    validate(aws)
    assert aws["head_node_type"] in aws["available_node_types"]
    assert sum(kind.get("min_workers", 0) for kind in aws["available_node_types"].values()) >= 1


@pytest.mark.parametrize(
    "wrong", [{"max_worker": 4}, {"max_workers": "four"}, {"head_start_ray_commands": "ray start"}]
)
def test_the_autoscaler_refuses_a_wrong_one(aws: dict[str, Any], wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validate({**copy.deepcopy(aws), **wrong})


def test_every_shell_line_parses_and_every_option_of_ray_start_exists(aws: dict[str, Any]) -> None:
    for line in [line for key in ("setup_commands", *START_COMMANDS) for line in aws[key]]:
        subprocess.run(["bash", "-n", "-c", line], check=True)
    head, worker = (ray_start(aws[key][-1]) for key in START_COMMANDS)
    assert head["head"] and head["port"] == 6379 and not head["include_dashboard"]
    assert worker["address"] == "$RAY_HEAD_IP:6379"
    with pytest.raises(click.UsageError):
        ray_start("ray start --heads")


def test_nodes_start_with_a_token(aws: dict[str, Any]) -> None:
    assert all(aws[key][-1].startswith("RAY_AUTH_MODE=token ") for key in START_COMMANDS)
    assert aws["file_mounts"] == {"~/.ray/auth_token": "~/.ray/auth_token"}


def test_the_slurm_script_parses() -> None:
    subprocess.run(["bash", "-n", str(SLURM)], check=True)
    directives = [line for line in SLURM.read_text().splitlines() if line.startswith("#SBATCH")]
    assert "#SBATCH --signal=B:TERM@120" in directives
