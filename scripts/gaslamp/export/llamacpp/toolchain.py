"""llama.cpp's programs and converter: found on the PATH, taken from the user's cache, or built there once."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

from gaslamp.core.console import say
from gaslamp.core.files import get_cache_dir, lock, write_json, write_text
from gaslamp.core.manifests import find_damage, get_manifest, record
from gaslamp.environment.programs import get_llama_version, run_verbose
from gaslamp.export.llamacpp.build import build_tools, find_build_programs, get_build_key, get_flags
from gaslamp.export.llamacpp.source import VERSION, ensure_source

SCHEMA_VERSION = 1
MINIMUM_BUILD = 11434
"""Oldest llama.cpp build number taken from the PATH: an older one may not know what the pinned converter writes."""
TOOLS = ("llama-quantize", "llama-server", "llama-bench", "llama-perplexity")
"""What a run needs: built, and tried on a tiny model, before training."""
MORE_TOOLS = ("llama-tokenize", "llama-imatrix", "llama-completion", "llama-cli")
"""Built only when needed: by `make llamacpp`, or by an export with an importance matrix."""
NEEDED_OPTIONS = ("--api-key-file", "--cors-origins", "--no-ui", "--alias")


class Toolchain(TypedDict):
    """resources/llama.cpp/toolchain.json."""

    schema_version: int
    source: Literal["path", "cache", "built"]
    reason: str  # why this source was taken
    version: str
    build_seconds: float
    flags: list[str]
    tools: dict[str, str]  # name -> path
    converter: str
    lora_converter: str
    gguf_py: str
    proof: NotRequired[Mapping[str, object]]  # the trial of proof.py


class _Build(TypedDict):
    """complete.json in the folder of a build."""

    tools: dict[str, str]
    build_seconds: float
    flags: list[str]


def ensure_toolchain(cache_dir: Path, log: Path, tools: Sequence[str] = TOOLS) -> Toolchain:
    """Find or build llama.cpp's ``tools`` and its converter.

    Args:
        cache_dir: of the user (``gaslamp.core.files.get_cache_dir()``); everything is written to ``llama.cpp`` in it.
        log: receives the complete output of pip, cmake and the compiler.
        tools: names of llama.cpp programs.

    Raises:
        GaslampError: no compiler, no cmake, no disk space, no network, or a failed build.
    """
    root = Path(cache_dir).expanduser().resolve() / "llama.cpp"
    log = Path(log)
    write_text(log, "")
    found, reason = find_on_path(tools)
    if found:
        with lock(root / "source.lock", "llama.cpp: waiting for another process that unpacks the source"):
            source = ensure_source(root, log)
        return _result("path", reason, 0.0, [], found, source)

    flags = get_flags()
    folder = get_folder(cache_dir)
    marker = folder / "complete.json"
    waiting = f"llama.cpp: another process is building it ({folder}.lock); waiting for that build"
    with lock(Path(f"{folder}.lock"), waiting):
        for name, what in find_damage(folder).items():
            say(f"{folder / name} {what}: built again")
            (folder / name).unlink(missing_ok=True)
        built = _read_marker(marker, tools)
        if built is None:
            find_build_programs()  # before a long download
        with lock(root / "source.lock", "llama.cpp: waiting for another process that unpacks the source"):
            source = ensure_source(root, log)
        if built is not None:
            if not get_manifest(folder).is_file():  # of an earlier version: taken as it is
                record(folder, files_of=map(Path, built["tools"].values()))
            return _result("cache", f"built earlier in {folder}", built["build_seconds"], flags, built["tools"], source)
        started = time.monotonic()
        paths = build_tools(folder, source, flags, tools, log)
        seconds = round(time.monotonic() - started, 1)
        earlier: _Build = {"tools": {}, "build_seconds": 0.0, "flags": flags}
        if marker.is_file():
            earlier = json.loads(marker.read_text(encoding="utf-8"))
        whole = round(earlier["build_seconds"] + seconds, 1)
        known = {**earlier["tools"], **paths}
        write_json(marker, {"tools": known, "build_seconds": whole, "flags": flags})
        record(folder, files_of=map(Path, known.values()))
    return _result("built", reason, seconds, flags, paths, source)


def _result(
    kind: Literal["path", "cache", "built"],
    reason: str,
    seconds: float,
    flags: list[str],
    paths: dict[str, str],
    source: Path,
) -> Toolchain:
    version = get_llama_version(paths["llama-server"]) if kind == "path" and "llama-server" in paths else VERSION
    return {
        "schema_version": SCHEMA_VERSION,
        "source": kind,
        "reason": reason,
        "version": version,
        "build_seconds": seconds,
        "flags": flags,
        "tools": paths,
        "converter": str(source / "convert_hf_to_gguf.py"),
        "lora_converter": str(source / "convert_lora_to_gguf.py"),
        "gguf_py": str(source / "gguf-py"),
    }


def get_tool(toolchain: Toolchain, name: str, log: Path, cache_dir: Path | None = None) -> str:
    """The path of one llama.cpp program: as recorded, else from the PATH or the cache, else built once.

    Args:
        toolchain: contents of toolchain.json.
        name: for example ``llama-imatrix``.
        log: receives what a build prints.
        cache_dir: of the user.

    Raises:
        GaslampError: it has to be built and cannot be.
    """
    path: str | None = toolchain["tools"].get(name)
    if path and Path(path).is_file():
        return path
    found = ensure_toolchain(cache_dir or get_cache_dir(), log, (name,))
    return str(found["tools"][name])


def link_tools(tools: dict[str, str], converters: Sequence[str], folder: Path) -> None:
    """Make ``folder`` a set of links to programs and converters, for use by hand; it is complete or absent."""
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for path in (*tools.values(), *converters):
        (unfinished / Path(path).name).symlink_to(path)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(unfinished, folder)


def get_folder(cache_dir: Path) -> Path:
    """The folder of the build for this machine and its flags, built or not."""
    return Path(cache_dir).expanduser().resolve() / "llama.cpp" / f"{VERSION}-{get_build_key(get_flags())}"


def is_built(cache_dir: Path, tools: Sequence[str] = TOOLS) -> bool:
    """Whether an earlier run built ``tools`` for this machine."""
    return _read_marker(get_folder(cache_dir) / "complete.json", tools) is not None


def find_on_path(tools: Sequence[str] = TOOLS) -> tuple[dict[str, str], str]:
    """The installed tools and why they are used; an empty dict and why not, otherwise."""
    paths = {tool: shutil.which(tool) for tool in tools}
    missing = [tool for tool, path in paths.items() if path is None]
    if missing:
        return {}, f"not on the PATH: {', '.join(missing)}"
    for tool, path in paths.items():
        if tool != "llama-server":
            continue
        version = get_llama_version(Path(str(path)))
        if not version.isdigit() or int(version) < MINIMUM_BUILD:
            return {}, f"{path} is build {version or 'unknown'}, {MINIMUM_BUILD} or newer is needed"
        missing_options = [option for option in NEEDED_OPTIONS if option not in run_verbose(str(path), "--help")]
        if missing_options:
            return {}, f"{path} does not know {', '.join(missing_options)}"
    return {tool: str(path) for tool, path in paths.items()}, "on the PATH and new enough"


def _read_marker(marker: Path, tools: Sequence[str]) -> _Build | None:
    """The record of a finished build, when it has all these tools."""
    if not marker.is_file():
        return None
    value: _Build = json.loads(marker.read_text(encoding="utf-8"))
    if not all(tool in value["tools"] and Path(value["tools"][tool]).is_file() for tool in tools):
        return None
    value["tools"] = {tool: value["tools"][tool] for tool in tools}
    return value
