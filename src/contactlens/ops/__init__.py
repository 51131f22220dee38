"""What runs the science: typed parameters, MLflow, Ray Tune, the registry, workspaces."""

from contactlens.ops.environment import prepare_environment

prepare_environment()
