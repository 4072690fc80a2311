"""`make setup`: quiet, alive, and an error with its fix; against a package of the test's own, without a network."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

SCRIPT = Path(__file__).parents[3] / "scripts" / "install_packages.py"
PROJECT = """
[project]
name = "x"
version = "1"
dependencies = ["lamp-oil>=1"]
[project.optional-dependencies]
cpu = ["wick"]
mlx = ["glass==2 ; python_version > '3'", "absent-thing"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project and the wheels of its packages; one has a module that warns when it is compiled."""
    folder = tmp_path_factory.mktemp("install")
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "wheels").mkdir()
    for name, version, needs in (
        ("lamp_oil", "1.5", ""),
        ("wick", "1.0", "Requires-Dist: glass\n"),
        ("glass", "2", ""),
    ):
        info = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(folder / "wheels" / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}.py", 'x = "\\d"\n')
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
    return folder


def install(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder / "wheels"), **variables}
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def get_installed(venv: Path) -> set[str]:
    return {file.stem.rpartition("-")[0] for file in venv.glob("lib/python3*/site-packages/*.dist-info")} - {"pip"}


def test_it_prints_one_line_a_step(folder: Path) -> None:
    done = install(folder, "--venv", ".venv", "--extras", "cpu", "cpu", "--compile-all")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    environment, packages, compiled = done.stdout.splitlines()
    assert environment.startswith("environment: .venv, Python 3.") and compiled.startswith("compiled: ")
    assert packages.startswith("packages: ") and packages.endswith("pip's output is in .venv/install.log")
    assert {"lamp_oil", "wick", "glass"} <= get_installed(folder / ".venv")
    log = (folder / ".venv/install.log").read_text()
    assert "Successfully installed" in log and "SyntaxWarning" not in log
    assert list((folder / ".venv").glob("lib/python3*/site-packages/__pycache__/wick*.pyc"))
    again = install(folder, "--venv", ".venv", "--extras", "cpu")
    assert again.returncode == 0 and "environment" not in again.stdout and "new" not in again.stdout


UV = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
exit "$UV_ENDS_WITH"
"""


def test_uv_installs_where_it_is_and_pip_where_uv_would_look_elsewhere(folder: Path) -> None:
    """A stand-in for uv that notes how it was called: pip does what uv could not do, or must not."""
    (folder / "bin").mkdir()
    (folder / "bin" / "uv").write_text(UV)
    (folder / "bin" / "uv").chmod(0o755)
    uv = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "UV_ENDS_WITH": "0", "PIP_CONFIG_FILE": os.devnull}
    arguments = ("--venv", "venv-uv", "--extras", "cpu")
    done = install(folder, *arguments, **uv)
    assert (
        done.returncode == 0 and not (folder / "bin" / "calls").exists() and "wick" in get_installed(folder / "venv-uv")
    )
    assert "pip installs: its settings find-links, no-index are not read by uv (set UV_DEFAULT_INDEX" in done.stdout
    done = install(folder, *arguments, **uv, UV_DEFAULT_INDEX="https://example.org/simple")
    wanted = f"pip install --no-progress --python {Path('venv-uv/bin/python')} lamp-oil>=1 wick"
    assert done.returncode == 0 and (folder / "bin" / "calls").read_text().splitlines() == [wanted]
    assert "uv's output is in venv-uv/install.log" in done.stdout
    done = install(folder, *arguments, **{**uv, "UV_ENDS_WITH": "2"}, UV_DEFAULT_INDEX="https://example.org/simple")
    assert done.returncode == 0 and "uv ended with 2 (its words are in venv-uv/install.log): pip goes on" in done.stdout
    assert "pip's output is in" in done.stdout


def test_parts_of_an_extra(folder: Path) -> None:
    done = install(folder, "--venv", "venv-mlx", "--extras", "mlx", "--alone", "--skip", "absent-thing")
    assert done.returncode == 0 and get_installed(folder / "venv-mlx") >= {"glass"}
    assert not get_installed(folder / "venv-mlx") & {"lamp_oil", "wick"}
    done = install(folder, "--venv", "venv-bare", "--extras", "cpu", "--alone", "--bare", "wick")
    assert done.returncode == 0 and "wick" in get_installed(folder / "venv-bare")
    assert "glass" not in get_installed(folder / "venv-bare"), "alone, without what it needs"


def test_a_python_without_ensurepip_installs_with_its_own_pip(folder: Path) -> None:
    """Colab's and Debian's Python: ``-m venv`` fails there."""
    code = (
        "import runpy, sys; sys.modules['ensurepip'] = None; sys.argv = sys.argv[1:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    venv = folder / "venv-without-pip"
    done = subprocess.run(
        [sys.executable, "-c", code, str(SCRIPT), "--venv", str(venv), "--extras", "cpu", "--alone"],
        cwd=folder,
        env={**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder / "wheels")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert get_installed(venv) == {"wick", "glass"}


def test_what_fails_has_its_fix_and_the_next_call_goes_on(folder: Path) -> None:
    done = install(folder, "--venv", "venv-bad", "--extras", "mlx", "--command", "make mlx")
    assert done.returncode == 1
    assert "error: the packages were not installed: ERROR:" in done.stderr and "absent-thing" in done.stderr
    assert "usual fix:       take a Python for which there are ready-made packages" in done.stderr
    assert "venv-bad/install.log; make mlx goes on" in done.stderr
    assert install(folder, "--venv", "venv-bad", "--extras", "cpu").returncode == 0


def test_an_old_python_can_read_it() -> None:
    """It is the one script that may meet Python 3.8: its message about that must not be a SyntaxError."""
    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("WARNING: Location '/x' is ignored: it is neither a file nor a directory.\n", ""),
        ("[notice] A new release of pip is available\n", ""),
        ("  Installing collected packages: torch, numpy, trl\n", "Installing collected packages: 3"),
        ("Collecting torch==2.13.0\n", "Collecting torch==2.13.0"),
    ],
)
def test_a_line_of_pip_as_it_is_shown(line: str, shown: str) -> None:
    spec = importlib.util.spec_from_file_location("install_packages", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.shorten(line) == shown


def test_with_a_lock_each_package_has_its_hash(folder: Path, tmp_path: Path) -> None:
    """Another file than the lock names is not installed, nor anything after it."""
    wheel = folder / "wheels" / "glass-2-py3-none-any.whl"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    for name, value, code in (("good", digest, 0), ("bad", digest[::-1], 1)):
        lock = tmp_path / f"{name}.txt"
        lock.write_text(f"glass==2 --hash=sha256:{value}\n")
        done = install(folder, "--venv", str(tmp_path / name), "--lock", str(lock), "--extras", "cpu", "--alone")
        assert done.returncode == code, done.stdout + done.stderr
        assert get_installed(tmp_path / name) - {"setuptools"} == ({"glass", "wick"} if not code else set())
    assert "the index has another file than the lock names" in done.stderr


def test_the_lock_is_of_these_requirements() -> None:
    """Every package with hashes, none with the host that it came from, in versions that pyproject.toml takes."""
    root = SCRIPT.parents[1]
    text = (root / "scripts" / "dev" / "locks" / "cpu.txt").read_text()
    packages = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", text, re.MULTILINE))
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) > 150 and all("--hash=sha256:" in block for block in blocks)
    assert not re.search(r"://|--(extra-)?index|--find-links|@ ", text)
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    for one in (*project["dependencies"], *project["optional-dependencies"]["cpu"]):
        wanted = Requirement(one)
        assert wanted.specifier.contains(packages[wanted.name.lower()]), f"{one}: make lock"
