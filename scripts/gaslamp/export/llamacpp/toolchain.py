"""llama.cpp's tools and converter: found on the PATH, taken from the user's cache, or built there once."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import get_cache_dir, lock, write_json, write_text
from gaslamp.core.packages import download_package

SCHEMA_VERSION = 1
VERSION = "0.3.36"
"""Release of the llama-cpp-python source package; it carries a whole, unchanged llama.cpp tree (MIT)."""
SDIST = f"llama_cpp_python-{VERSION}.tar.gz"
SDIST_SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
MINIMUM_BUILD = 11434
"""Oldest llama.cpp build number taken from the PATH: an older one may not know what the pinned converter writes."""
TOOLS = ("llama-quantize", "llama-server", "llama-bench", "llama-perplexity")
"""What a run needs; built before training and proven."""
MORE_TOOLS = ("llama-tokenize", "llama-imatrix", "llama-completion", "llama-cli")
"""Built when something asks for them: `make llamacpp`, or an export with an importance matrix."""
NEEDED_OPTIONS = ("--api-key-file", "--cors-origins", "--no-ui", "--alias")
DISK_BYTES = 1_000_000_000
PROGRESS_SECONDS = 20.0

# The parts of the tree that the build and the converter read; documents, tests and sample models stay packed.
_UNPACKED = re.compile(
    r"vendor/llama\.cpp/(?:[^/]+|(?:cmake|common|conversion|ggml|gguf-py|include|licenses|scripts|src|vendor|tools)/.+)$"
)

# Measured on two cores with gcc 12, CPU time for quantize, server and bench: plain 12 min; joined sources 5.6 min;
# this wrapper 5.0 min. After them, each: perplexity 7 s, tokenize 4 s, completion 6 s, imatrix 11 s, cli 14 s. Speed of a 135M q8_0 model, this build against -O3 in llama.cpp's own layers: prompt 568 and
# 570 tokens/s, answer 95.7 and 95.8.
_FLAGS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DGGML_NATIVE=ON",
    "-DGGML_CCACHE=OFF",
    "-DLLAMA_ALL_WARNINGS=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_COMMIT=0c1e57098",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_NUMBER=0",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_SUBPROCESS=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
)

_INSTALL = (
    "Debian: sudo apt install build-essential cmake ninja-build; Fedora: sudo dnf install gcc-c++ cmake ninja-build; "
    "macOS: xcode-select --install"
)
_PREBUILT = "on macOS `brew install llama.cpp` gives ready-made tools; they are used as soon as they are on the PATH"


def ensure_toolchain(cache_dir: Path, log: Path, tools: Sequence[str] = TOOLS) -> dict[str, Any]:
    """Find or build llama.cpp's ``tools`` and its converter.

    Args:
        cache_dir: the per-user cache (``gaslamp.core.files.get_cache_dir()``); everything lands in ``llama.cpp`` below it.
        log: receives the complete output of pip, cmake and the compiler.
        tools: names of llama.cpp programs.

    Returns:
        schema_version, source ("path", "cache" or "built"), version, build_seconds, flags, tools (name to path),
        converter, lora_converter, gguf_py, and reason (why this source was taken).

    Raises:
        GaslampError: no compiler, no cmake, no disk space, no network, or a failed build.
    """
    root = Path(cache_dir).expanduser().resolve() / "llama.cpp"
    log = Path(log)
    write_text(log, "")
    found, reason = find_on_path(tools)
    if found:
        with lock(root / "source.lock", "llama.cpp: waiting for another process that unpacks the source"):
            source = _ensure_source(root, log)
        return _result("path", reason, 0.0, [], found, source)

    flags = get_flags()
    folder = get_folder(cache_dir)
    marker = folder / "complete.json"
    waiting = f"llama.cpp: another process is building it ({folder}.lock); waiting for that build"
    with lock(Path(f"{folder}.lock"), waiting):
        built = _read_marker(marker, tools)
        if built is None:
            find_build_programs()  # before a long download
        with lock(root / "source.lock", "llama.cpp: waiting for another process that unpacks the source"):
            source = _ensure_source(root, log)
        if built is not None:
            return _result("cache", f"built earlier in {folder}", built["build_seconds"], flags, built["tools"], source)
        started = time.monotonic()
        paths = _build(folder, source, flags, tools, log)
        seconds = round(time.monotonic() - started, 1)
        earlier: dict[str, Any] = {"tools": {}, "build_seconds": 0.0}
        if marker.is_file():
            earlier |= json.loads(marker.read_text(encoding="utf-8"))
        whole = round(earlier["build_seconds"] + seconds, 1)
        write_json(marker, {"tools": {**earlier["tools"], **paths}, "build_seconds": whole, "flags": flags})
    return _result("built", reason, seconds, flags, paths, source)


def _result(
    kind: str, reason: str, seconds: float, flags: list[str], paths: dict[str, str], source: Path
) -> dict[str, Any]:
    version = get_version(Path(paths["llama-server"])) if kind == "path" and "llama-server" in paths else VERSION
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


def get_tool(toolchain: dict[str, Any], name: str, log: Path, cache_dir: Path | None = None) -> str:
    """The path of one llama.cpp program: as recorded, else from where the others came, else built beside them (once).

    Args:
        toolchain: what ``ensure_toolchain`` returned.
        name: for example ``llama-imatrix``.
        log: receives what a build prints.
        cache_dir: the per-user cache.

    Raises:
        GaslampError: it has to be built and cannot be.
    """
    path: str | None = toolchain["tools"].get(name)
    if path and Path(path).is_file():
        return path
    found = ensure_toolchain(cache_dir or get_cache_dir(), log, (name,))
    return str(found["tools"][name])


def link_tools(tools: dict[str, str], converters: Sequence[str], folder: Path) -> None:
    """Make ``folder`` a set of links to programs and converters, for use by hand; it appears complete or not at all."""
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for path in (*tools.values(), *converters):
        (unfinished / Path(path).name).symlink_to(path)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(unfinished, folder)


def get_folder(cache_dir: Path) -> Path:
    """Where the build for this machine and these flags stands, or will stand."""
    return Path(cache_dir).expanduser().resolve() / "llama.cpp" / f"{VERSION}-{_get_key(get_flags())}"


def is_built(cache_dir: Path, tools: Sequence[str] = TOOLS) -> bool:
    """Whether an earlier run built ``tools`` for this machine."""
    return _read_marker(get_folder(cache_dir) / "complete.json", tools) is not None


# ------------------------------------------------------------------------------------------------ tools on the PATH


def find_on_path(tools: Sequence[str] = TOOLS) -> tuple[dict[str, str], str]:
    """The installed tools and why they are taken; an empty dict and why not, otherwise."""
    paths = {tool: shutil.which(tool) for tool in tools}
    missing = [tool for tool, path in paths.items() if path is None]
    if missing:
        return {}, f"not on the PATH: {', '.join(missing)}"
    for tool, path in paths.items():
        if tool != "llama-server":
            continue
        version = get_version(Path(str(path)))
        if not version.isdigit() or int(version) < MINIMUM_BUILD:
            return {}, f"{path} is build {version or 'unknown'}, {MINIMUM_BUILD} or newer is needed"
        lacking = [option for option in NEEDED_OPTIONS if option not in _run_text([str(path), "--help"])]
        if lacking:
            return {}, f"{path} does not know {', '.join(lacking)}"
    return {tool: str(path) for tool, path in paths.items()}, "on the PATH and new enough"


def get_version(server: Path) -> str:
    """The build number in ``llama-server --version``, for example ``11434``; empty when it does not say."""
    # "version: 0.5.0 (build 11434, commit ...)" since llama.cpp 0.5, "version: 9672 (...)" before it.
    match = re.search(r"\(build (\d+)|^version: (\d+) \(", _run_text([str(server), "--version"]), re.MULTILINE)
    return (match.group(1) or match.group(2)) if match else ""


def _run_text(command: list[str]) -> str:
    """Output of a short command, or nothing when it cannot be started."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr


# ------------------------------------------------------------------------------------------------------- the source


def _ensure_source(root: Path, log: Path) -> Path:
    """The unpacked llama.cpp tree, downloaded through the user's own pip settings when it is not there yet."""
    folder = root / f"source-{VERSION}-{SDIST_SHA256[:8]}"
    if folder.is_dir():  # renamed into place when complete
        return folder
    root.mkdir(parents=True, exist_ok=True)
    _check_disk(root)
    with tempfile.TemporaryDirectory(dir=root, prefix="download-") as name:
        archive = download_source(Path(name), log)
        say("unpacking the source")
        unpacked = Path(name) / "tree"
        unpack_source(archive, unpacked)
        os.replace(unpacked, folder)
    return folder


def download_source(folder: Path, log: Path) -> Path:
    """Download the pinned source package into ``folder`` with pip (its index, proxy and certificate settings hold).

    pip wants metadata even for a download and would install a build system to get it (30 s). A stand-in build system
    answers instead: nothing of the package is executed and the download takes 5 s.
    """
    say(f"downloading the source package ({SDIST}, 77 MB)")
    stand_in = folder / "stand_in" / "scikit_build_core"
    stand_in.mkdir(parents=True)
    write_text(stand_in / "__init__.py", "")
    write_text(stand_in / "build.py", _STAND_IN)
    return download_package(
        f"llama-cpp-python=={VERSION}",
        SDIST_SHA256,
        folder,
        options=("--no-binary", "llama-cpp-python", "--no-build-isolation"),
        env={"PYTHONPATH": str(stand_in.parent), "PYTHONDONTWRITEBYTECODE": "1"},
        log=log,
        otherwise=_PREBUILT,
    )


_STAND_IN = f"""
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
    """Unpack what is needed of the package's ``vendor/llama.cpp`` into ``folder``; nothing can land outside it."""
    prefix = f"llama_cpp_python-{VERSION}/"
    with tarfile.open(archive) as tar:
        for member in tar:
            inner = member.name.removeprefix(prefix)
            if not member.isfile() or not _UNPACKED.match(inner):
                continue
            member.name = inner.removeprefix("vendor/llama.cpp/")
            tar.extract(member, folder, filter="data")


# -------------------------------------------------------------------------------------------------------- the build


def get_flags() -> list[str]:
    """CMake flags for this machine; Metal comes by itself on macOS, CUDA when its compiler and a GPU are there."""
    flags = list(_FLAGS)
    if sys.platform != "darwin":
        has_gpu = shutil.which("nvidia-smi") is not None and "GPU 0" in _run_text(["nvidia-smi", "-L"])
        if has_gpu and shutil.which("nvcc"):
            flags.append("-DGGML_CUDA=ON")
    return flags


def _get_key(flags: list[str]) -> str:
    """Hash of all that makes two builds differ: source, flags, wrapper, system and (native code) the processor."""
    parts = [
        SDIST_SHA256,
        *flags,
        _get_wrapper(),
        platform.system(),
        platform.machine(),
        *platform.libc_ver(),
        _get_cpu(),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _get_wrapper() -> str:
    return (Path(__file__).parent / "CMakeLists.txt").read_text(encoding="utf-8")


@functools.cache
def _get_cpu() -> str:
    """The processor's instruction sets (Linux) or name (macOS); one home folder may serve several machines."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith(("flags", "features")):
                return " ".join(sorted(line.partition(":")[2].split()))
    if sys.platform == "darwin":
        return _run_text(["sysctl", "-n", "machdep.cpu.brand_string"]).strip()
    return platform.processor()


def _read_marker(marker: Path, tools: Sequence[str]) -> dict[str, Any] | None:
    """What a finished build left, when it has every tool asked for."""
    if not marker.is_file():
        return None
    value: dict[str, Any] = json.loads(marker.read_text(encoding="utf-8"))
    if not all(tool in value["tools"] and Path(value["tools"][tool]).is_file() for tool in tools):
        return None
    value["tools"] = {tool: value["tools"][tool] for tool in tools}
    return value


def _find_program(name: str, *others: str) -> str | None:
    """A program on the PATH or beside this Python (the cmake and ninja wheels put theirs there)."""
    search = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.prefix) / "bin")])
    return next((path for n in (name, *others) if (path := shutil.which(n, path=search))), None)


def _check_disk(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < DISK_BYTES:
        raise GaslampError(
            f"llama.cpp needs about {DISK_BYTES / 1e9:.1f} GB in {folder}, {free / 1e9:.1f} GB are free",
            "free some disk space and run the same command",
            "put the cache on another disk: export GASLAMP_CACHE=/path/with/space",
        )


def find_build_programs() -> tuple[str, str | None]:
    """Paths of cmake and of ninja (None: make is used). Raises GaslampError when there is nothing to build with."""
    cmake = _find_program("cmake")
    ninja = _find_program("ninja")
    if not (ninja or _find_program("make")) or not cmake:
        raise GaslampError(
            f"llama.cpp has to be built and {'neither ninja nor make is' if cmake else 'cmake is not'} installed",
            f"run: {sys.executable} -m pip install cmake ninja. Or {_INSTALL}",
            _PREBUILT,
        )
    has_compiler = (os.environ.get("CC") or _find_program("cc", "gcc", "clang")) and (
        os.environ.get("CXX") or _find_program("c++", "g++", "clang++")
    )
    if not has_compiler:
        raise GaslampError("llama.cpp has to be built and there is no C++ compiler", _INSTALL, _PREBUILT)
    return cmake, ninja


def _build(folder: Path, source: Path, flags: list[str], tools: Sequence[str], log: Path) -> dict[str, str]:
    """Configure and compile ``tools`` in ``folder/build``; what an earlier, interrupted build finished is kept."""
    cmake, ninja = find_build_programs()
    folder.mkdir(parents=True, exist_ok=True)
    _check_disk(folder)
    write_text(folder / "wrapper" / "CMakeLists.txt", _get_wrapper())
    build = folder / "build"
    resumed = build.is_dir()
    configure = [cmake, "-S", str(folder / "wrapper"), "-B", str(build), f"-DGASLAMP_LLAMA_SOURCE={source}", *flags]
    configure += ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"] if ninja else ["-G", "Unix Makefiles"]
    nice = ["nice", "-n", "10"] if shutil.which("nice") else []
    compile_ = [*nice, cmake, "--build", str(build), "--parallel", str(os.cpu_count() or 1), "--target", *tools]
    print(
        f"llama.cpp: building {', '.join(tools)} in {folder}{' (going on where it stopped)' if resumed else ''}",
        flush=True,
    )
    try:
        _run_logged(configure, log, "configuring llama.cpp")
        _run_logged(compile_, log, "building llama.cpp", _Progress())
    except GaslampError:
        if not resumed:
            raise
        # A kill may leave half an object file behind that make takes for a whole one.
        say("the interrupted build cannot go on; building afresh")
        shutil.rmtree(build)
        _run_logged(configure, log, "configuring llama.cpp")
        _run_logged(compile_, log, "building llama.cpp", _Progress())
    return {tool: str(build / "bin" / tool) for tool in tools}


class _Progress:
    """Turns ninja's ``[3/160]`` and make's ``[ 45%]`` into one line at least every PROGRESS_SECONDS."""

    def __init__(self) -> None:
        self.started = self.last = time.monotonic()
        self.state = "started"
        self.unit = "steps"

    def read(self, line: str) -> None:
        if match := re.match(r"\[(\d+)/(\d+)\]", line):
            self.state = f"built {match.group(1)} of {match.group(2)} files"
        elif match := re.match(r"\[ *(\d+)%\]", line):
            self.state = f"built {match.group(1)} %"

    def tick(self) -> None:
        now = time.monotonic()
        if now - self.last >= PROGRESS_SECONDS:
            self.last = now
            minutes, seconds = divmod(int(now - self.started), 60)
            say(f"{self.state}, {f'{minutes} min ' if minutes else ''}{seconds} s")


def _run_logged(command: list[str], log: Path, what: str, progress: _Progress | None = None) -> None:
    """Run ``command`` with all output appended to ``log``; raises GaslampError with the compiler's own lines."""
    _append(log, f"$ {' '.join(command)}\n")
    seen: list[str] = []
    with log.open("a", encoding="utf-8") as handle:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        assert process.stdout is not None
        reader = threading.Thread(target=_drain, args=(process.stdout, handle, seen, progress), daemon=True)
        reader.start()
        try:
            while reader.is_alive():
                reader.join(1.0)
                if progress:
                    progress.tick()
            code = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if code == 0:
        return
    text = [line for line in seen if re.search(r"error|fatal|killed|No space", line, re.IGNORECASE)] or seen
    fix = f"read {log}, mend what it names and run the same command: finished files are kept"
    if any("No space left" in line for line in seen):
        fix = "free some disk space, or export GASLAMP_CACHE=/path/with/space, and run the same command"
    elif any("Killed" in line for line in seen):
        fix = "the machine ran out of memory: close other programs and run the same command"
    raise GaslampError(f"{what} failed (exit {code}): {' | '.join(text[:3])[:600]}", fix, _PREBUILT)


def _drain(pipe: IO[str], handle: IO[str], seen: list[str], progress: _Progress | None) -> None:
    for line in pipe:
        handle.write(line)
        handle.flush()
        seen.append(line.strip())
        del seen[:-400]
        if progress:
            progress.read(line)


def _append(log: Path, text: str) -> None:
    with log.open("a", encoding="utf-8") as handle:
        handle.write(text)
