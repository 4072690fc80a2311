"""What pyproject.toml cannot say: the folders outside the package go into the wheel too, under share/gaslamp.

From there `cookiecutter <prefix>/share/gaslamp --directory cookiecutter-template` makes a project without a clone.
"""

from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
FOLDERS = ("workflow", "rules", "scripts", "profiles", "docs", "cookiecutter-template")
SKIPPED = {"__pycache__", "dev", "gaslamp.egg-info", "architecture.md", "decisions.md"}


def list_data_files() -> list[tuple[str, list[str]]]:
    """Each folder below FOLDERS with its files, and what stands next to them, as paths from the root."""
    found = {"share/gaslamp": ["pyproject.toml", "CHANGELOG.md", "LICENSE"]}  # a new project and an upgrade read these
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*")):
            place = file.relative_to(ROOT)
            if file.is_file() and not SKIPPED & set(place.parts) and file.suffix != ".pyc":
                found.setdefault(f"share/gaslamp/{place.parent.as_posix()}", []).append(place.as_posix())
    return list(found.items())


setup(data_files=list_data_files())
