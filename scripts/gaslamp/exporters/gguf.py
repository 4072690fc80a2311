"""GGUF for llama.cpp, Ollama, LM Studio: 16 bit first, then any level that llama-quantize knows."""

from __future__ import annotations

from pathlib import Path

from gaslamp.console import get_size, say
from gaslamp.errors import GaslampError
from gaslamp.files import read_json, read_jsonl
from gaslamp.llamacpp import convert

REQUIRES = ("gguf",)
CALIBRATION_CONTEXT = 256
CALIBRATION_CHUNKS = 24


def export(merged: Path, toolchain: Path, out: Path, log: Path, outtype: str = "f16") -> None:
    """Convert the merged folder to ``out`` with unquantized weights (f16, bf16 or f32)."""
    convert.convert_to_gguf(read_json(toolchain), merged, out, outtype, log)
    verify(out)


def quantize(source: Path, toolchain: Path, level: str, out: Path, log: Path, imatrix: Path | None = None) -> None:
    """Quantize the 16-bit file to ``level``, with an importance matrix when there is one."""
    convert.quantize(read_json(toolchain), source, out, level, log, imatrix)
    verify(out)


def build_imatrix(source: Path, toolchain: Path, train: Path, template: Path, model: Path, calibration: Path | None, out: Path, log: Path) -> None:
    """Measure which weights matter: on a text of the user's, or on training rows rendered as the model will see them.

    Args:
        source: the f16 file.
        toolchain: toolchain.json.
        train: data/train.jsonl.
        template: template.json.
        model: model.json of the base, for its tokenizer.
        calibration: a text file instead of the training rows.
        out: the matrix to write, a GGUF file that llama-quantize reads.
        log: all that llama.cpp prints.
    """
    text = out.with_name(f".{out.stem}.calibration.txt")
    words = calibration.read_text(encoding="utf-8", errors="replace") if calibration else get_calibration(train, template, model)
    if len(words) < 4 * CALIBRATION_CONTEXT:
        raise GaslampError(
            f"{calibration or train} has too little text for an importance matrix ({len(words)} characters)",
            "name a longer text: export.calibration", "export.imatrix: never quantizes without one",
        )  # fmt: skip
    try:
        text.write_text(words, encoding="utf-8")
        # a piece is at most a fourth of the text: short sets of rows have few tokens
        context = min(CALIBRATION_CONTEXT, len(words) // 16)
        convert.build_imatrix(read_json(toolchain), source, text, out, log, context, CALIBRATION_CHUNKS)
    finally:
        text.unlink(missing_ok=True)
    say(f"importance matrix of {source.name} on {calibration or train}: {get_size(out.stat().st_size)}")


def get_calibration(train: Path, template: Path, model: Path, enough: int = 60_000) -> str:
    """Training rows as rendered text, at most about ``enough`` characters."""
    from gaslamp.contracts import ModelFacts, Template
    from gaslamp.rows import adapt, get_kind
    from gaslamp.template import Renderer

    renderer = Renderer.load(ModelFacts.read(model).path, Template.read(template))
    parts: list[str] = []
    for row in read_jsonl(train):
        if get_kind(row) == "text":
            parts.append(row["text"])
        else:
            try:
                parts.append(renderer.render(adapt(row, "conversation")["messages"], generate=False))
            except ValueError:  # a prompt without an answer, a bad answer: the question is text of the task all the same
                parts.append(renderer.render(adapt(row, "prompt")["prompt"], generate=True))
        if sum(map(len, parts)) > enough:
            break
    return "".join(parts)


def verify(file: Path) -> None:
    """Read the file back; raises GaslampError when it is no whole GGUF file."""
    facts = convert.read_gguf_facts(file)
    say(f"{file.name}: {get_size(facts['size_bytes'])}, {facts['bits_per_weight']:.2f} bits a weight")
