"""llama.cpp's source: downloaded once with pip, checked by its hash, and unpacked into the user's cache."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
import tempfile
from pathlib import Path

from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import write_text
from gaslamp.core.manifests import is_whole, record
from gaslamp.core.packages import download_package

VERSION = "0.3.36"
"""Release of the llama-cpp-python source package; it carries a whole, unchanged llama.cpp tree (MIT)."""
SDIST = f"llama_cpp_python-{VERSION}.tar.gz"
SDIST_SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
DISK_BYTES = 1_000_000_000
"""Disk space that source and build take."""
PREBUILT = "on macOS `brew install llama.cpp` gives ready-made tools; they are used as soon as they are on the PATH"
"""The less likely fix of everything that can go wrong with a build."""

# What the build and the converter read; documents, tests and sample models are not unpacked.
_UNPACKED = re.compile(
    r"vendor/llama\.cpp/(?:[^/]+|(?:cmake|common|conversion|ggml|gguf-py|include|licenses|scripts|src|vendor|tools)/.+)$"
)


def ensure_source(root: Path, log: Path) -> Path:
    """The unpacked llama.cpp tree, downloaded when it is not there yet.

    Args:
        root: folder of llama.cpp in the user's cache.
        log: receives pip's output.

    Raises:
        GaslampError: no network, no disk space, or a package that is not the one that was tested.
    """
    folder = root / f"source-{VERSION}-{SDIST_SHA256[:8]}"
    if is_whole(folder, list_needed(folder)):  # renamed into place when complete
        return folder
    root.mkdir(parents=True, exist_ok=True)
    check_disk(root)
    with tempfile.TemporaryDirectory(dir=root, prefix="download-") as name:
        archive = download_source(Path(name), log)
        say("unpacking the source")
        unpacked = Path(name) / "tree"
        unpack_source(archive, unpacked)
        record(unpacked, folder, list_needed(unpacked))
        os.replace(unpacked, folder)
    return folder


def list_needed(folder: Path) -> list[Path]:
    """The files of the tree that every run reads: the converters. The others are read when something is built."""
    return [
        *folder.glob("*.py"),
        *(file for name in ("conversion", "gguf-py") for file in (folder / name).rglob("*.py")),
    ]


def download_source(folder: Path, log: Path) -> Path:
    """Download the pinned source package into ``folder`` with pip, which has the user's index, proxy and certificates.

    pip wants metadata even for a download, and would install a build system to get it (30 s). A substitute build system
    gives it instead: nothing of the package is executed, and the download takes 5 s.

    Args:
        folder: receives the archive.
        log: receives pip's output.

    Raises:
        GaslampError: no network, or another file than the one that was tested.
    """
    say(f"downloading the source package ({SDIST}, 77 MB)")
    substitute = folder / "substitute" / "scikit_build_core"
    substitute.mkdir(parents=True)
    write_text(substitute / "__init__.py", "")
    write_text(substitute / "build.py", _BUILD_SYSTEM)
    return download_package(
        f"llama-cpp-python=={VERSION}",
        SDIST_SHA256,
        folder,
        options=("--no-binary", "llama-cpp-python", "--no-build-isolation"),
        env={"PYTHONPATH": str(substitute.parent), "PYTHONDONTWRITEBYTECODE": "1"},
        log=log,
        otherwise=PREBUILT,
    )


_BUILD_SYSTEM = f"""
import pathlib


def prepare_metadata_for_build_wheel(folder, settings=None):
    name = "llama_cpp_python-{VERSION}.dist-info"
    path = pathlib.Path(folder) / name
    path.mkdir()
    (path / "METADATA").write_text("Metadata-Version: 2.1\\nName: llama-cpp-python\\nVersion: {VERSION}\\n")
    (path / "WHEEL").write_text("Wheel-Version: 1.0\\nGenerator: none\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    return name
"""


def unpack_source(archive: Path, folder: Path) -> None:
    """Unpack what is needed of the package's ``vendor/llama.cpp`` into ``folder``; nothing is written outside it."""
    prefix = f"llama_cpp_python-{VERSION}/"
    with tarfile.open(archive) as tar:
        for member in tar:
            inner = member.name.removeprefix(prefix)
            if not member.isfile() or not _UNPACKED.match(inner):
                continue
            member.name = inner.removeprefix("vendor/llama.cpp/")
            tar.extract(member, folder, filter="data")


def check_disk(folder: Path) -> None:
    """Raise GaslampError when the disk of ``folder`` has no space for llama.cpp."""
    free = shutil.disk_usage(folder).free
    if free < DISK_BYTES:
        raise GaslampError(
            f"llama.cpp needs about {DISK_BYTES / 1e9:.1f} GB in {folder}, {free / 1e9:.1f} GB are free",
            "free some disk space and run the same command",
            "put the cache on another disk: export GASLAMP_CACHE=/path/with/space",
        )
