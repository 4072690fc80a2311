"""The wheel: built, installed elsewhere, and used from there without the repository."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from baking import ROOT

FOLDERS = ("scripts", "workflow", "rules", "profiles", "docs", "cookiecutter-template")
FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "CHANGELOG.md")


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with gaslamp installed from its wheel, and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # the build writes into its source
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in FILES:
        shutil.copy2(ROOT / name, source / name)
    pip("wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder), str(source))
    [wheel] = folder.glob("gaslamp-*.whl")
    target = folder / "target"
    pip("install", "-q", "--no-deps", "--no-index", "--no-compile", "--target", str(target), str(wheel))
    return target


def test_every_file_of_the_library_is_in_the_wheel(installed: Path) -> None:
    def list_files(root: Path) -> set[str]:
        files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
        return {name for name in files if "__pycache__" not in name}

    assert list_files(installed / "gaslamp") == list_files(ROOT / "scripts" / "gaslamp")
    share = installed / "share" / "gaslamp"
    for folder in ("workflow", "rules", "profiles", "cookiecutter-template"):
        assert list_files(share / folder) == list_files(ROOT / folder), folder
    assert list_files(share / "docs") == list_files(ROOT / "docs") - {"architecture.md", "decisions.md"}
    programs = {path.name for path in (ROOT / "scripts").glob("*.py")}
    assert {path.name for path in (share / "scripts").glob("*.py")} == programs and len(programs) > 30
    assert not (share / "scripts" / "dev").exists()


def test_the_installed_package_renders_a_page(installed: Path, tmp_path: Path) -> None:
    """The chat page with its styles and scripts, and a plug-in found by name,
    in a process that cannot see the repository.
    """
    code = (
        "import gaslamp, pathlib\n"
        "from gaslamp.core import registry\n"
        "from gaslamp.serve.chat.page import build_page\n"
        "folder = pathlib.Path('page'); folder.mkdir(); build_page(folder, 'health')\n"
        "text = (folder / 'index.html').read_text()\n"
        "assert '<style' in text and '<script' in text and len(text) > 10_000, len(text)\n"
        "assert registry.get('formats', 'alpaca').KIND == 'conversation' and 'sft' in registry.names('methods')\n"
        "print(pathlib.Path(gaslamp.__file__).parent)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == installed / "gaslamp"


def test_a_project_is_generated_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cookiecutter", str(installed / "share" / "gaslamp"), "--no-input"]
    command += ["--directory", "cookiecutter-template", "--output-dir", str(tmp_path), "--default-config"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [project] = [path for path in tmp_path.iterdir() if (path / ".gaslamp.json").is_file()]
    assert (project / "workflow" / "Snakefile").is_file() and (project / "scripts" / "train_model.py").is_file()
