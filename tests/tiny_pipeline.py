"""The tracks pipeline's parameters for a run of a minute, and what such a run has registered."""

import subprocess
import sys
from pathlib import Path

import yaml

TINY = {
    "tracks": {
        "simulate": {"n_tracks": 60, "n_frames": 101},
        "radius": {"tracks": 16, "simulations": 45, "predictive": 9, "shuffles": 1},
        "sweep": {
            "n_trials": 2,
            "max_epochs": 2,
            "fixed_epochs": 1,
            "min_epochs": 1,
            "reduction_factor": 2,
            "lambda_contact_grid": [0.0, 0.1],
            "lambda_contact_seeds": 2,
            "radius_starts": [120.0, 500.0],
            "space": {"width": {"choice": [4, 8]}, "depth": {"choice": [1, 2]}},
        },
        "fit": {"max_epochs": 2, "threads": 1},
        "train": {"n_seeds": 2},
        "explain": {
            "n_tracks": 1,
            "profile_tracks": 4,
            "sensitivity_tracks": 2,
            "ig_steps": 4,
            "noise_samples": 2,
            "lag_max_s": 300.0,
            "bootstrap_replicates": 50,
        },
        "evaluate": {
            "recalibration": {"sd_bins": 5, "residual_bins": 2, "residual_groups": 10},
            "ceiling": {"samples": 50},
        },
        "baselines": {"boosted_trees": {"max_trees": 10, "max_leaves": [15], "min_leaf_frames": [100]}},
        "state_baselines": {"compound_hmm": {"restarts": 1, "max_iterations": 20}},
        "promotion": {"registered_model": "tiny"},
    }
}


def registered(store: Path) -> dict[str, dict[str, str]]:
    """Aliases and tags of every version in a store, read in a process of its own."""
    code = (
        "import json, mlflow, sys\n"
        "client = mlflow.MlflowClient(sys.argv[1], sys.argv[1])\n"
        "found = {v.version: dict(v.tags) for v in client.search_model_versions(\"name='tiny'\")}\n"
        "aliases = client.get_registered_model('tiny').aliases\n"
        "print(json.dumps({'versions': found, 'aliases': {k: str(v) for k, v in aliases.items()}}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"sqlite:///{store}"], capture_output=True, text=True, check=True
    )
    return yaml.safe_load(done.stdout.splitlines()[-1])
