"""Model folder -> GGUF -> quantized GGUF, and its speed, through llama.cpp's own programs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple, TypedDict

from gaslamp.core.console import Progress, get_duration, say
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.export.llamacpp.gguf_facts import check_gguf
from gaslamp.export.llamacpp.toolchain import Toolchain, get_tool
from gaslamp.models.checkpoint import read_tensors


class Speed(TypedDict):
    """A measurement of llama-bench."""

    prompt_tps: float  # tokens/s that are read
    prompt_stddev: float
    gen_tps: float  # tokens/s that are generated
    gen_stddev: float
    n_prompt: int
    n_gen: int
    repetitions: int
    threads: int
    backend: str
    cpu: str
    peak_memory_gb: float  # resident
    others_percent: float  # of the processor, used by other programs meanwhile


def convert_to_gguf(
    toolchain: Toolchain,
    model_dir: Path,
    out: Path,
    outtype: str = "f16",
    log: Path | None = None,
    mmproj: bool = False,
    name: str | None = None,
    origin: str | None = None,
) -> None:
    """Convert a Hugging Face model folder to a GGUF file.

    Args:
        toolchain: contents of toolchain.json.
        model_dir: folder of the model.
        out: the GGUF file; it is complete or absent.
        outtype: f32, f16 or bf16.
        log: receives the converter's output.
        mmproj: convert the vision tower of a vision model, which llama-server needs as a second file, instead of its
            language model.
        name: of the model, recorded in the file; None: the folder's.
        origin: recorded as ``general.description``; None: the file has none.

    Raises:
        GaslampError: with the converter's own lines.
    """
    if not (Path(model_dir) / "config.json").is_file():
        raise GaslampError(
            f"{model_dir} is no model folder (config.json is missing)", "run snakemake again: it rebuilds it"
        )

    def command(temporary: Path) -> list[str]:
        script = [sys.executable, toolchain["converter"], str(model_dir)]
        options = [*(["--mmproj"] if mmproj else []), *(["--model-name", name] if name else [])]
        if not mmproj and _lacks_draft_layers(Path(model_dir)):
            options.append("--no-mtp")
        if origin:
            options += ["--metadata", str(metadata)]
        return [*script, "--outfile", str(temporary), "--outtype", outtype, *options]

    with tempfile.TemporaryDirectory() as folder:
        metadata = Path(folder) / "metadata.json"
        write_json(metadata, {"general.description": origin})
        _write_gguf(command, Path(out), log, f"converting {model_dir} to GGUF")


def _lacks_draft_layers(folder: Path) -> bool:
    """Whether a model of Qwen's families with layers that draft further tokens is without them.

    transformers does not load these layers (``mtp.*``), so that no trained and merged model has them. The converter
    wants to know.
    """
    config = read_json(folder / "config.json")
    kind = str((config.get("text_config") or config).get("model_type"))
    return kind.startswith(("qwen3_next", "qwen3_5")) and not any("mtp." in one.name for one in read_tensors(folder))


def convert_lora_to_gguf(
    toolchain: Toolchain, adapter_dir: Path, base_dir: Path, out: Path, log: Path | None = None
) -> None:
    """Convert a PEFT adapter folder to the adapter GGUF ``out``, which llama-server applies to the base (``lora=``)."""

    def command(temporary: Path) -> list[str]:
        script = [sys.executable, toolchain["lora_converter"], str(adapter_dir), "--base", str(base_dir)]
        return [*script, "--outfile", str(temporary), "--outtype", "f16"]

    _write_gguf(command, Path(out), log, f"converting the adapter {adapter_dir} to GGUF")


def quantize(
    toolchain: Toolchain, source: Path, out: Path, level: str, log: Path | None = None, imatrix: Path | None = None
) -> None:
    """Quantize the GGUF ``source`` to ``out`` at ``level`` (q8_0, q4_k_m ...; upper or lower case).

    ``imatrix`` is an importance matrix (``build_imatrix``): which weights matter most for certain texts.
    Raises GaslampError with llama-quantize's own lines when it fails; ``out`` is complete or absent.
    """

    def command(temporary: Path) -> list[str]:
        start = [toolchain["tools"]["llama-quantize"], *(["--imatrix", str(imatrix)] if imatrix else [])]
        return [*start, str(source), str(temporary), level.upper()]

    _write_gguf(command, Path(out), log, f"quantizing {source} to {level}")


def build_imatrix(
    toolchain: Toolchain, gguf: Path, text: Path, out: Path, log: Path, context: int, chunks: int
) -> None:
    """Write the importance matrix of ``gguf`` on ``text``: ``chunks`` chunks of ``context`` tokens each.

    Raises GaslampError with llama-imatrix' own lines when it fails; ``out`` is complete or absent.
    """

    def command(temporary: Path) -> list[str]:
        start = [get_tool(toolchain, "llama-imatrix", log), "-m", str(gguf), "-f", str(text), "-o", str(temporary)]
        return [*start, "-c", str(context), "--chunks", str(chunks), "--parse-special", "--no-ppl"]

    _write_gguf(command, out, log, f"computing the importance matrix of {gguf}")


def bench(
    toolchain: Toolchain,
    gguf: Path,
    n_prompt: int = 512,
    n_gen: int = 128,
    log: Path | None = None,
    repetitions: int = 2,
    threads: int | None = None,
    limit: float | None = None,
) -> Speed:
    """Measure the speed of a GGUF file on this machine with llama-bench.

    Args:
        toolchain: contents of toolchain.json.
        gguf: the file.
        n_prompt: tokens of the prompt.
        n_gen: tokens to generate.
        log: receives llama-bench's output.
        repetitions: of each measurement.
        threads: compute threads; None: llama.cpp's own choice.
        limit: seconds that it may take.

    Raises:
        GaslampError: it failed, took too long, or printed no figures.
    """
    command = [toolchain["tools"]["llama-bench"], "-m", str(gguf), "-p", str(n_prompt), "-n", str(n_gen)]
    command += ["-r", str(repetitions), "-o", "json"] + (["-t", str(threads)] if threads else [])
    before, started = get_busy_seconds(), time.monotonic()
    output = run_tool(command, log, f"measuring the speed of {gguf}", limit)
    others = get_busy_seconds() - before - output.cpu_seconds
    others_percent = 100 * others / (time.monotonic() - started) / (os.cpu_count() or 1)
    try:
        rows = json.loads(output.stdout)
        prompt = next(row for row in rows if row["n_prompt"] and not row["n_gen"])
        gen = next(row for row in rows if row["n_gen"] and not row["n_prompt"])
    except (ValueError, LookupError, TypeError, StopIteration) as error:
        raise GaslampError(f"llama-bench gave no figures for {gguf}", f"see the end of {log}") from error
    return {
        "prompt_tps": prompt["avg_ts"],
        "prompt_stddev": prompt["stddev_ts"],
        "gen_tps": gen["avg_ts"],
        "gen_stddev": gen["stddev_ts"],
        "n_prompt": n_prompt,
        "n_gen": n_gen,
        "repetitions": repetitions,
        "threads": gen["n_threads"],
        "backend": gen["backends"],
        "cpu": gen["cpu_info"],
        "peak_memory_gb": output.peak_memory_gb,
        "others_percent": round(min(100.0, max(0.0, others_percent)), 1),
    }


def get_busy_seconds() -> float:
    """Seconds that the cores of this machine have computed since it started, all programs together."""
    import psutil

    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # Linux counts the time of virtual machines in "user" too
    return float(sum(times) - idle - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0))


def _write_gguf(command: Callable[[Path], list[str]], out: Path, log: Path | None, what: str) -> None:
    """Run ``command(temporary name)``, check what it wrote and rename it to ``out``."""
    out.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays: the converter and llama-quantize look at it.
    temporary = out.with_name(f".{out.stem}.{os.getpid()}.gguf")
    try:
        run_tool(command(temporary), log, what)
        check_gguf(temporary)
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)


class Output(NamedTuple):
    """What a program printed, its peak memory (resident), and the seconds that cores computed for it."""

    stdout: str
    stderr: str
    peak_memory_gb: float
    cpu_seconds: float


HEARTBEAT = 30.0
"""Seconds between two lines about a measurement that works."""
_DONE = re.compile(rb"\[ *(\d+)/ *(\d+)\]|(\d+)%\|")  # llama-quantize's [  12/ 272], the converter's 45%|


def get_percentage(text: bytes) -> int | None:
    """The last progress that a program printed, in percent; ``None`` when it printed none."""
    found = None
    for match in _DONE.finditer(text):
        done, total, share = match.groups()
        found = int(share) if share else 100 * int(done) // max(1, int(total))
    return found


def _wait(pid: int, printed: tuple[IO[bytes], ...], progress: Progress, limit: float | None = None) -> tuple[int, Any]:
    """Wait for a child process and log its progress; returns its status and resource usage.

    Raises TimeoutError after ``limit`` seconds.
    """
    pause, started, last = 0.02, time.monotonic(), time.monotonic()
    while True:
        # wait4 reports the memory of this child alone; getrusage would report the largest of all
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            return status, usage
        time.sleep(pause)
        pause = min(1.0, pause * 1.5)
        for handle in printed if pause == 1.0 else ():
            size = os.fstat(handle.fileno()).st_size
            percentage = get_percentage(os.pread(handle.fileno(), 4096, max(0, size - 4096)))
            if percentage is not None and 0 < percentage < 100:
                progress.update(percentage)
        now = time.monotonic()
        if limit is not None and now - started > limit:
            raise TimeoutError
        if limit is not None and now - last > HEARTBEAT:
            last = now
            say(f"{progress.what} works, for {get_duration(now - started)} (at most {get_duration(limit)})")


def run_tool(command: list[str], log: Path | None, what: str, limit: float | None = None) -> Output:
    """Run a llama.cpp program and append all it prints to ``log``.

    Args:
        command: program and arguments.
        log: receives what it prints.
        what: it is doing, for messages.
        limit: seconds that it may take; with a limit it is reported now and then that it works.

    Raises:
        GaslampError: it failed, with the program's own lines, or took longer than ``limit``.
    """
    # Nothing may be fetched for a model that is already on this disk.
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment, stdin=subprocess.DEVNULL)
        try:
            status, usage = _wait(process.pid, (out, err), Progress(f"{what}:", 100, in_percent=True), limit)
        except TimeoutError:
            process.kill()
            process.wait()
            raise GaslampError(
                f"{what} was ended after {get_duration(limit or 0)}", "close other programs and run the same command"
            ) from None
        except BaseException:
            process.kill()
            process.wait()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for handle in (out, err):
            handle.seek(0)
            texts.append(handle.read().decode("utf-8", errors="replace"))
    if log:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        with Path(log).open("a", encoding="utf-8") as sink:
            sink.write(f"$ {' '.join(command)}\n{texts[0]}{texts[1]}\n")
    if process.returncode != 0:
        raise explain_failure(what, process.returncode, texts[0] + texts[1], log)
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes on macOS, kibibytes elsewhere
    return Output(texts[0], texts[1], round(usage.ru_maxrss * unit / 1e9, 3), usage.ru_utime + usage.ru_stime)


def explain_failure(what: str, code: int, output: str, log: Path | None) -> GaslampError:
    """The error for a program that failed, with the lines of its output that say why."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"error|invalid|failed|not supported|No space", line, re.IGNORECASE)]
    text = " | ".join((errors or lines)[-3:])[-600:]
    fix = "fix what it names" + (f"; the complete output is in {log}" if log else "")
    less_likely = "the model folder is incomplete: delete it and run snakemake again"
    if "No space left" in output:
        fix = "free some disk space and run the same command"
    elif "pre-tokenizer was not recognized" in output or "not supported" in text:
        fix = "llama.cpp does not know this architecture or tokenizer: choose another base model, or export it merged"
    elif match := re.search(r"No module named '([^']+)'", output):
        fix = f"install what the converter needs: {sys.executable} -m pip install {match.group(1)}"
    elif code in (-9, 137):
        fix = "the machine ran out of memory: close other programs and run the same command"
    elif "invalid ftype" in output.lower() or "usage:" in output.lower():
        fix = "choose a level that llama-quantize knows, for example q8_0, q6_k, q5_k_m or q4_k_m"
    return GaslampError(f"{what} failed (exit {code}): {text or 'it printed nothing'}", fix, less_likely)
