"""GGUF for llama.cpp, Ollama, LM Studio: 16 bit first, then any level that llama-quantize knows.

Two kinds of models need a companion file: ``mmproj-f16.gguf``, the vision tower of a vision model, and ``head.json``,
the head of a reward model.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.core.console import get_size, say
from gaslamp.core.contracts import ModelFacts, Template
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, read_jsonl, write_json
from gaslamp.data.rows import adapt, get_kind
from gaslamp.export.llamacpp import convert
from gaslamp.export.llamacpp.gguf_facts import read_gguf_facts
from gaslamp.export.llamacpp.staging import HEADS, convert_staged, read_tensors
from gaslamp.models.template import Renderer

if TYPE_CHECKING:
    pass

TITLE = "one file for llama.cpp and LM Studio"
NEEDS_GGUF = True
REQUIRES = ("gguf",)
CALIBRATION_CONTEXT = 256
CALIBRATION_CHUNKS = 24
MMPROJ, HEAD = "mmproj-f16.gguf", "head.json"
"""Names of the companion files."""


def export(merged: Path, toolchain: Path, out: Path, log: Path, outtype: str = "f16") -> None:
    """Convert the merged folder (of a vision model its language model) to ``out``, unquantized: f16, bf16 or f32."""
    out.parent.mkdir(parents=True, exist_ok=True)
    known = read_json(merged / "gaslamp.json") if (merged / "gaslamp.json").is_file() else {}
    source, origin = known.get("base", merged.name), known.get("origin")
    convert_staged(read_json(toolchain), merged, out, source, log, outtype, origin)
    verify(out)


def export_mmproj(merged: Path, toolchain: Path, out: Path, log: Path) -> None:
    """Convert the vision tower of a merged model, in 16 bit: it is small, and no later layer recovers what it loses."""
    convert.convert_to_gguf(read_json(toolchain), merged, out, "f16", log, mmproj=True)
    verify(out)


def export_companion(merged: Path, toolchain: Path, out: Path, log: Path) -> None:
    """Write the companion file that ``out`` names: ``head.json`` or ``mmproj-f16.gguf``."""
    if out.name == HEAD:
        export_head(merged, out)
    else:
        export_mmproj(merged, toolchain, out, log)


def export_head(merged: Path, out: Path) -> None:
    """Write the head of a merged reward model: one weight for each number of the last token's vector.

    Raises:
        GaslampError: the head is more than one row of weights.
    """
    tensors = read_tensors(merged, lambda key: key in HEADS or key.rpartition(".")[0] in ("score", "classifier"))
    weight = tensors.get("score.weight")
    if weight is None or len(tensors) > 1 or weight.shape[0] != 1:
        raise GaslampError(
            f"the head of {merged} is no single row of weights ({', '.join(sorted(tensors)) or 'none was found'}), "
            "so head.json cannot hold it",
            "take a base model of another family, or take gguf out of export.formats, to end with the merged model",
        )
    write_json(out, {"schema_version": 1, "pooling": "last", "weight": weight[0].float().tolist()})
    say(f"{out.name}: {weight.shape[1]} weights, applied to the vector of the last token")


def quantize(source: Path, toolchain: Path, level: str, out: Path, log: Path, imatrix: Path | None = None) -> None:
    """Quantize the 16-bit file to ``level``, with an importance matrix when there is one."""
    convert.quantize(read_json(toolchain), source, out, level, log, imatrix)
    verify(out)


def build_imatrix(
    source: Path,
    toolchain: Path,
    train: Path,
    template: Path,
    model: Path,
    calibration: Path | None,
    out: Path,
    log: Path,
) -> None:
    """Compute the importance matrix on a text of the user, or on training rows rendered with the template.

    Args:
        source: the f16 file.
        toolchain: toolchain.json.
        train: data/train.jsonl.
        template: template.json.
        model: model.json of the base, for its tokenizer.
        calibration: a text file instead of the training rows.
        out: the matrix to write, a GGUF file that llama-quantize reads.
        log: receives llama.cpp's output.
    """
    text = out.with_name(f".{out.stem}.calibration.txt")
    words = (
        calibration.read_text(encoding="utf-8", errors="replace")
        if calibration
        else get_calibration(train, template, model)
    )
    if len(words) < 4 * CALIBRATION_CONTEXT:
        raise GaslampError(
            f"{calibration or train} has too little text for an importance matrix ({len(words)} characters)",
            "name a longer text: export.calibration",
            "export.imatrix: never quantizes without one",
        )
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
    renderer = Renderer.load(ModelFacts.read(model).path, Template.read(template))
    parts: list[str] = []
    for row in read_jsonl(train):
        if get_kind(row) == "text":
            parts.append(row["text"])
        else:
            try:
                parts.append(renderer.render(adapt(row, "conversation")["messages"], generate=False))
            except ValueError:  # a row without a good answer: its prompt is text of the task too
                parts.append(renderer.render(adapt(row, "prompt")["prompt"], generate=True))
        if sum(map(len, parts)) > enough:
            break
    return "".join(parts)


def verify(file: Path) -> None:
    """Read the file back; raises GaslampError when it is no complete GGUF file."""
    facts = read_gguf_facts(file)
    say(f"{file.name}: {get_size(facts['size_bytes'])}, {facts['bits_per_weight']:.2f} bits a weight")
