"""GGUF for llama.cpp, Ollama, LM Studio: 16 bit first, then any level that llama-quantize knows.

Two kinds of models need a second file beside it: the eyes of one that sees (``mmproj-f16.gguf``), and the head of a reward
model (``head.json``).
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from gaslamp.core.console import get_size, say
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, read_jsonl, write_json
from gaslamp.export.llamacpp import convert

REQUIRES = ("gguf",)
CALIBRATION_CONTEXT = 256
CALIBRATION_CHUNKS = 24
VISION_TOWERS, HEAD = "mmproj-f16.gguf", "head.json"
HEADS = ("score.weight",)


def export(merged: Path, toolchain: Path, out: Path, log: Path, outtype: str = "f16") -> None:
    """Convert the merged folder to ``out`` with unquantized weights (f16, bf16 or f32); of a model that sees, the part that talks."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".body-") as name:
        convert.convert_to_gguf(read_json(toolchain), write_body(merged, Path(name)), out, outtype, log)
    verify(out)


def export_mmproj(merged: Path, toolchain: Path, out: Path, log: Path) -> None:
    """Convert the part of a merged model that reads images. It stays in 16 bit: it is small, and what it loses no later layer finds again."""
    convert.convert_to_gguf(read_json(toolchain), merged, out, "f16", log, eyes=True)
    verify(out)


def export_companion(merged: Path, toolchain: Path, out: Path, log: Path) -> None:
    """The second file, by its name: ``head.json`` or the eyes."""
    if out.name == HEAD:
        export_head(merged, out)
    else:
        export_mmproj(merged, toolchain, out, log)


def export_head(merged: Path, out: Path) -> None:
    """Write the head of a merged reward model: one weight for each number of the vector of the last token.

    Raises:
        GaslampError: a head that is more than that.
    """
    tensors = _read_tensors(merged, lambda key: key in HEADS or key.rpartition(".")[0] in ("score", "classifier"))
    weight = tensors.get("score.weight")
    if weight is None or len(tensors) > 1 or weight.shape[0] != 1:
        raise GaslampError(
            f"the head of {merged} is no single row of weights ({', '.join(sorted(tensors)) or 'none was found'}): it cannot be put beside a GGUF file",
            "take a base model of another family, or take gguf out of export.formats: the run then ends with the merged model",
        )
    write_json(out, {"schema_version": 1, "pooling": "last", "weight": weight[0].float().tolist()})
    say(f"{out.name}: {weight.shape[1]} weights, applied to the vector of the last token")


def write_body(merged: Path, place: Path) -> Path:
    """A folder that llama.cpp converts: ``merged`` itself, or for a model without a next token (a reward model, an encoder) the same
    weights under the names of the language model that it was, in ``place``."""
    config = read_json(merged / "config.json")
    name = (config.get("architectures") or [""])[0]
    ending = next((suffix for suffix in ("ForSequenceClassification", "Model") if name.endswith(suffix)), None)
    if ending is None or name.endswith("LMHeadModel"):
        return merged
    from safetensors.torch import save_file

    for file in merged.iterdir():
        if file.is_file() and file.suffix != ".safetensors" and file.name != "model.safetensors.index.json":
            shutil.copy(file, place / file.name)
    bare = ending == "Model"  # an encoder is saved without the name of the part it was
    tensors = _read_tensors(merged, lambda key: key not in HEADS)
    save_file(
        {f"model.{key}" if bare else key: value.contiguous() for key, value in tensors.items()},
        place / "model.safetensors",
        metadata={"format": "pt"},
    )
    # without a last layer of its own, llama.cpp takes the embeddings for one: nobody asks for its next tokens
    family = name.removesuffix(ending).removesuffix("Text")  # Gemma3TextModel is the body of Gemma3ForCausalLM
    write_json(
        place / "config.json", {**config, "architectures": [f"{family}ForCausalLM"], "tie_word_embeddings": True}
    )
    settings = place / "tokenizer_config.json"
    write_json(settings, {**read_json(settings), **_get_added(merged, plain=bare)})
    return place


def _get_added(folder: Path, plain: bool) -> dict[str, bool]:
    """Whether llama.cpp shall put BOS and EOS around a text, which it otherwise decides by the kind of vocabulary.

    Args:
        folder: of the tokenizer.
        plain: texts are read as they are, and the tokenizer adds what it adds; a rendered conversation holds all its tokens already.
    """
    from gaslamp.models.loading import load_tokenizer

    tokenizer = load_tokenizer(folder)
    ids = tokenizer("a")["input_ids"] if plain else []
    return {
        "add_bos_token": tokenizer.bos_token_id is not None and ids[:1] == [tokenizer.bos_token_id],
        "add_eos_token": tokenizer.eos_token_id is not None and ids[-1:] == [tokenizer.eos_token_id],
    }


def _read_tensors(folder: Path, wanted: Any) -> dict[str, Any]:
    """The tensors of a checkpoint whose names ``wanted`` takes."""
    from safetensors import safe_open

    found: dict[str, Any] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as handle:
            found |= {key: handle.get_tensor(key) for key in handle.keys() if wanted(key)}  # noqa: SIM118 - no dict
    return found


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
    from gaslamp.core.contracts import ModelFacts, Template
    from gaslamp.data.rows import adapt, get_kind
    from gaslamp.models.template import Renderer

    renderer = Renderer.load(ModelFacts.read(model).path, Template.read(template))
    parts: list[str] = []
    for row in read_jsonl(train):
        if get_kind(row) == "text":
            parts.append(row["text"])
        else:
            try:
                parts.append(renderer.render(adapt(row, "conversation")["messages"], generate=False))
            except (
                ValueError
            ):  # a prompt without an answer, a bad answer: the question is text of the task all the same
                parts.append(renderer.render(adapt(row, "prompt")["prompt"], generate=True))
        if sum(map(len, parts)) > enough:
            break
    return "".join(parts)


def verify(file: Path) -> None:
    """Read the file back; raises GaslampError when it is no whole GGUF file."""
    facts = convert.read_gguf_facts(file)
    say(f"{file.name}: {get_size(facts['size_bytes'])}, {facts['bits_per_weight']:.2f} bits a weight")
