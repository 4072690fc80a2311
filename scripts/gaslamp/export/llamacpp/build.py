"""Compile llama.cpp's programs for this machine, with progress lines and the compiler's own errors."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from gaslamp.core.console import get_duration, say
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import write_text
from gaslamp.environment.programs import find_program, run_text
from gaslamp.export.llamacpp.source import PREBUILT, SDIST_SHA256, check_disk

PROGRESS_SECONDS = 20.0

# Measured on two cores with gcc 12, CPU time for quantize, server and bench: plain 12 min; joined sources 5.6 min;
# this wrapper 5.0 min. After them, each: perplexity 7 s, tokenize 4 s, completion 6 s, imatrix 11 s, cli 14 s.
# Speed of a 135M q8_0 model, this build against -O3 in llama.cpp's own layers: prompt 568 and 570 tokens/s,
# answer 95.7 and 95.8.
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


def get_flags() -> list[str]:
    """CMake flags for this machine; macOS gets Metal by itself, CUDA needs its compiler and a GPU."""
    flags = list(_FLAGS)
    if sys.platform != "darwin":
        has_gpu = shutil.which("nvidia-smi") is not None and "GPU 0" in run_text("nvidia-smi", "-L")
        if has_gpu and shutil.which("nvcc"):
            flags.append("-DGGML_CUDA=ON")
    return flags


def get_build_key(flags: list[str]) -> str:
    """Hash of everything that makes two builds differ: source, flags, wrapper, system and processor."""
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
        return run_text("sysctl", "-n", "machdep.cpu.brand_string")
    return platform.processor()


def find_build_programs() -> tuple[str, str | None]:
    """Paths of cmake and of ninja (None: make is used). Raises GaslampError when there is nothing to build with."""
    cmake = find_program("cmake")
    ninja = find_program("ninja")
    if not (ninja or find_program("make")) or not cmake:
        raise GaslampError(
            f"llama.cpp has to be built and {'neither ninja nor make is' if cmake else 'cmake is not'} installed",
            f"run: {sys.executable} -m pip install cmake ninja. Or {_INSTALL}",
            PREBUILT,
        )
    has_compiler = (os.environ.get("CC") or find_program("cc", "gcc", "clang")) and (
        os.environ.get("CXX") or find_program("c++", "g++", "clang++")
    )
    if not has_compiler:
        raise GaslampError("llama.cpp has to be built and there is no C++ compiler", _INSTALL, PREBUILT)
    return cmake, ninja


def build_tools(folder: Path, source: Path, flags: list[str], tools: Sequence[str], log: Path) -> dict[str, str]:
    """Configure and compile ``tools`` in ``folder``/build; what an interrupted build finished is kept.

    Args:
        folder: of this build in the user's cache.
        source: the unpacked llama.cpp tree.
        flags: of get_flags.
        tools: names of programs.
        log: receives what cmake and the compiler print.

    Returns:
        Path of each tool.

    Raises:
        GaslampError: nothing to build with, no disk space, or an error of the compiler.
    """
    cmake, ninja = find_build_programs()
    folder.mkdir(parents=True, exist_ok=True)
    check_disk(folder)
    write_text(folder / "wrapper" / "CMakeLists.txt", _get_wrapper())
    build = folder / "build"
    resumed = build.is_dir()
    configure = [cmake, "-S", str(folder / "wrapper"), "-B", str(build), f"-DGASLAMP_LLAMA_SOURCE={source}", *flags]
    configure += ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"] if ninja else ["-G", "Unix Makefiles"]
    nice = ["nice", "-n", "10"] if shutil.which("nice") else []
    compile_ = [*nice, cmake, "--build", str(build), "--parallel", str(os.cpu_count() or 1), "--target", *tools]
    say(f"building {', '.join(tools)} in {folder}{' (resumed)' if resumed else ''}")
    try:
        _run_logged(configure, log, "configuring llama.cpp")
        _run_logged(compile_, log, "building llama.cpp", BuildProgress())
    except GaslampError:
        if not resumed:
            raise
        # A killed build may leave half an object file, which make takes for a complete one.
        say("the interrupted build cannot be resumed; building from the start")
        shutil.rmtree(build)
        _run_logged(configure, log, "configuring llama.cpp")
        _run_logged(compile_, log, "building llama.cpp", BuildProgress())
    return {tool: str(build / "bin" / tool) for tool in tools}


class BuildProgress:
    """Turns ninja's ``[3/160]`` and make's ``[ 45%]`` into one line at least every PROGRESS_SECONDS."""

    def __init__(self) -> None:
        self.started = self.last = time.monotonic()
        self.state = "started"

    def read(self, line: str) -> None:
        """Take up a line of the build."""
        if match := re.match(r"\[(\d+)/(\d+)\]", line):
            self.state = f"built {match.group(1)} of {match.group(2)} files"
        elif match := re.match(r"\[ *(\d+)%\]", line):
            self.state = f"built {match.group(1)} %"

    def tick(self) -> None:
        """Log the state when enough time has passed."""
        now = time.monotonic()
        if now - self.last >= PROGRESS_SECONDS:
            self.last = now
            say(f"{self.state}, {get_duration(now - self.started)}")


def _run_logged(command: list[str], log: Path, what: str, progress: BuildProgress | None = None) -> None:
    """Run ``command`` and append all output to ``log``; raises GaslampError with the compiler's own lines."""
    seen: list[str] = []
    with log.open("a", encoding="utf-8") as handle:
        handle.write(f"$ {' '.join(command)}\n")
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
    fix = f"read {log}, fix what it names and run the same command: finished files are kept"
    if any("No space left" in line for line in seen):
        fix = "free some disk space, or export GASLAMP_CACHE=/path/with/space, and run the same command"
    elif any("Killed" in line for line in seen):
        fix = "the machine ran out of memory: close other programs and run the same command"
    raise GaslampError(f"{what} failed (exit {code}): {' | '.join(text[:3])[:600]}", fix, PREBUILT)


def _drain(pipe: IO[str], handle: IO[str], seen: list[str], progress: BuildProgress | None) -> None:
    for line in pipe:
        handle.write(line)
        handle.flush()
        seen.append(line.strip())
        del seen[:-400]
        if progress:
            progress.read(line)
