"""Cost and loss of each GGUF level on this machine: load time, memory, speed, perplexity and KL divergence from f16."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gaslamp.core.console import say
from gaslamp.core.contracts import Bench, Provenance
from gaslamp.core.errors import GaslampError
from gaslamp.core.export_contracts import describe_others
from gaslamp.core.files import read_json, read_jsonl, write_text
from gaslamp.data.rows import Row, get_kind, get_prompt, get_reference, get_text
from gaslamp.export.llamacpp.convert import Speed, bench, run_tool
from gaslamp.export.llamacpp.gguf_facts import read_gguf_facts
from gaslamp.export.llamacpp.server import LlamaServer
from gaslamp.export.llamacpp.toolchain import Toolchain, get_tool

CHUNKS = 8
CONTEXTS = (256, 128, 64)
"""Tokens of a chunk of text, the longest that the text has enough of. llama-perplexity scores the
second half of each chunk."""
SERVED_CONTEXT = 4096
LIMIT = 900.0
"""Seconds that one program may take to measure one level. The figures are for people: no run waits longer for them,
and none ends because one is missing."""


def measure_levels(
    files: list[Path], toolchain: Path, rows: list[Path], out: Path, log: Path, pooling: str | None = None
) -> Bench:
    """Measure each level after the other, under the same conditions, and write bench.json.

    Args:
        files: GGUF files of one model; ``model-f16.gguf`` is among them.
        toolchain: toolchain.json.
        rows: files of rows; their prompts and answers are the text for perplexity.
        out: bench.json to write.
        log: receives llama.cpp's output.
        pooling: of a model that returns vectors (mean, last); only its prompt speed is measured. None: it writes text.
    """
    tools = read_json(toolchain)
    provenance = Provenance.start([*files, *rows])
    first = next(file for file in files if file.stem == "model-f16")
    levels: dict[str, dict[str, float]] = {}
    speed: Speed | None = None
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".measure-") as name:
        text, logits = Path(name) / "text.txt", Path(name) / "f16.logits"
        write_text(text, get_text_for_perplexity(rows))
        context = chunks = 0
        for file in (first, *(file for file in files if file != first)):
            level = file.stem.removeprefix("model-")
            started = time.monotonic()
            context_length = min(SERVED_CONTEXT, int(read_gguf_facts(file)["context_length"] or SERVED_CONTEXT))
            with LlamaServer(
                tools, file, context=context_length, pooling=pooling, log=log.with_name(f"{log.stem}_server.log")
            ) as server:
                loaded = time.monotonic() - started
                if file == first and not pooling:
                    context, chunks = choose_chunks(
                        len(server.tokenize(text.read_text(encoding="utf-8"), parse_special=False))
                    )
            levels[level] = {"load_seconds": round(loaded, 2)}
            with _said(level, "speed"):
                speed = bench(tools, file, log=log, limit=LIMIT)
                levels[level] |= _get_speed(speed, pooling)
            if chunks:
                with _said(level, "perplexity and distance from f16"):
                    levels[level] |= measure_loss(tools, file, text, logits, file == first, context, chunks, log)
            if file == first and "perplexity" not in levels[level]:
                chunks = 0  # the others are compared with it
            say(f"{level}: {describe_level(levels[level])}")
    measured = Bench(
        levels=levels,
        n_prompt=speed["n_prompt"] if speed else 0,
        n_gen=speed["n_gen"] if speed else 0,
        threads=speed["threads"] if speed else 0,
        perplexity_tokens=chunks * (context - 1 - context // 2),
        provenance=provenance,
    )
    measured.write(out)
    return measured


@contextmanager
def _said(level: str, what: str) -> Iterator[None]:
    """Go on without figures that cannot be had, and say so."""
    try:
        yield
    except GaslampError as error:
        say(f"warning: {level}: {what} not measured: {error.cause}")


def _get_speed(speed: Speed, pooling: str | None) -> dict[str, float]:
    """What of llama-bench's figures is recorded; a model that returns vectors generates nothing."""
    names = ("prompt_tps", "prompt_stddev", *(("gen_tps", "gen_stddev") if not pooling else ()))
    figures = {key: round(speed[key], 2) for key in names}  # type: ignore[literal-required]
    return {"peak_memory_gb": speed["peak_memory_gb"], "others_percent": speed["others_percent"], **figures}


def describe_level(level: dict[str, float]) -> str:
    """The figures of one level in a line."""
    parts = [
        f"reads {level['prompt_tps']:.0f} tokens/s" if "prompt_tps" in level else "",
        f"generates {level['gen_tps']:.0f}" if "gen_tps" in level else "",
        f"loads in {level['load_seconds']:.1f} s",
        f"KL divergence {level['kl_divergence']:.4f}" if "kl_divergence" in level else "",
        describe_others(level.get("others_percent")),
    ]
    return ", ".join(part for part in parts if part)


def get_text_for_perplexity(files: list[Path], enough: int = 40_000) -> str:
    """Prompts and answers of rows as plain text, at most about ``enough`` characters.

    Without special tokens: llama-perplexity does not parse them, so chat markers would be noise.
    """
    parts: list[str] = []
    for file in files:
        for row in read_jsonl(file):
            parts += _get_row_words(row)
            if sum(map(len, parts[-64:])) and sum(map(len, parts)) > enough:
                return "\n\n".join(parts) + "\n"
    return "\n\n".join(parts) + "\n"


def _get_row_words(row: Row) -> list[str]:
    if get_kind(row) == "text":
        return [row["text"]]
    if get_kind(row) == "pair":
        return [row["anchor"], row["positive"]]
    words = [get_text(message) for message in get_prompt(row) if message["role"] != "system"]
    return [word for word in (*words, get_reference(row) or "") if word]


def choose_chunks(tokens: int) -> tuple[int, int]:
    """``(tokens of a chunk, chunks)`` for a text of ``tokens``; ``(0, 0)`` when it is too short."""
    for context in CONTEXTS:
        if tokens >= 4 * context:
            return context, min(CHUNKS, tokens // context)
    return 0, 0


def measure_loss(
    toolchain: Toolchain,
    file: Path,
    text: Path,
    logits: Path,
    is_first: bool,
    context: int,
    chunks: int,
    log: Path,
) -> dict[str, float]:
    """Perplexity of a level on ``text``, and the distance of its next-token distribution from that of f16.

    Args:
        toolchain: contents of toolchain.json.
        file: the level.
        text: file with the text to predict.
        logits: distributions of f16; written first when ``is_first``.
        is_first: ``file`` is f16 itself.
        context, chunks: see ``choose_chunks``.
        log: receives llama.cpp's output.

    Returns:
        perplexity, perplexity_error, kl_divergence, kl_error (nats), same_top (share of positions with the same best
        token).

    Raises:
        GaslampError: llama-perplexity failed, with its own lines.
    """
    tool = get_tool(toolchain, "llama-perplexity", log)
    sizes = ["-c", str(context), "-b", str(context), "--kl-divergence-base", str(logits)]
    if is_first:
        run_tool(
            [tool, "-m", str(file), "-f", str(text), "--chunks", str(chunks), *sizes],
            log,
            f"measuring the perplexity of {file}",
            LIMIT,
        )
    # A thread writes its log and may be cut off when the program ends. The last row of the table, which has the figures
    # over all chunks, comes early, and a second try costs seconds.
    for _ in range(9):  # on a busy machine three were too few
        output = run_tool(
            [tool, "-m", str(file), "--kl-divergence", *sizes], log, f"comparing {file} with f16", LIMIT
        ).stdout
        rows = {int(row[1]): row for row in _ROW.finditer(output)}
        if chunks in rows:
            row = rows[chunks]
            names = ("perplexity", "perplexity_error", "kl_divergence", "kl_error", "same_top")
            values = dict(zip(names, (float(row[index]) for index in range(2, 7)), strict=True))
            return {
                **values,
                "kl_divergence": abs(values["kl_divergence"]),
                "same_top": round(values["same_top"] / 100, 5),
            }
    last = " | ".join(line for line in output.splitlines() if line.strip())[-300:]
    raise GaslampError(
        f"llama-perplexity gave no figures for {file}: {last or 'it printed nothing'}", f"see the end of {log}"
    )


# chunk, perplexity ± , ln of its ratio ± , KL divergence ± , change of probability ± %, same best token ± %
_ROW = re.compile(r"^ *(\d+) +(\S+) ± +(\S+) +\S+ ± +\S+ +(\S+) ± +(\S+) +\S+ ± +\S+ % +(\S+) ± +\S+ %$", re.MULTILINE)
