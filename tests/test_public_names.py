"""`import contactlens` is quick, since its names are imported when they are first used."""

import subprocess
import sys

import contactlens

SLOW = ("torch", "numpy", "pandas", "pydantic", "mlflow", "scipy", "sklearn", "typer")


def test_importing_the_package_imports_no_library() -> None:
    code = f"import sys, contactlens; print([name for name in {SLOW} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_is_what_it_says() -> None:
    for name in contactlens.__all__:
        assert getattr(contactlens, name).__name__ == name
        assert name in dir(contactlens)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(contactlens, "predict_everything")
