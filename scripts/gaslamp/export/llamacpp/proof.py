"""A trial, before any training, of conversion, quantization and serving on this machine."""

from __future__ import annotations

import contextlib
import json
import platform
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

from gaslamp.core.contracts import get_versions
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, sha256_path, sha256_text, write_json
from gaslamp.export.llamacpp.convert import convert_to_gguf, quantize, run_tool
from gaslamp.export.llamacpp.gguf_facts import read_gguf_facts
from gaslamp.export.llamacpp.server import LlamaServer
from gaslamp.export.llamacpp.toolchain import Toolchain

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


class Proof(TypedDict):
    """The result of a trial, as recorded in toolchain.json."""

    seconds: float
    steps: dict[str, float]  # seconds of each
    completion_tokens: int
    n_tensors: int
    quantizations: dict[str, int]  # tensor type -> number of tensors


def prove_once(toolchain: Toolchain, cache_dir: Path, log: Path) -> tuple[Proof, str]:
    """The trial of ``prove_toolchain``, or what it gave for these very tools on this machine before.

    Args:
        toolchain: of ``ensure_toolchain``, which has checked that built tools are whole.
        cache_dir: of the user; the results lie in ``llama.cpp/proofs``.
        log: receives the output of the tools.

    Returns:
        The result, and the day of an earlier trial (empty: it ran now).

    Raises:
        GaslampError: of the first step that fails; a failure is not kept.
    """
    file = Path(cache_dir) / "llama.cpp" / "proofs" / f"{_get_key(toolchain)}.json"
    with contextlib.suppress(GaslampError, KeyError, TypeError):
        known = read_json(file)
        return cast(Proof, known["proof"]), str(known["day"])
    proof = prove_toolchain(toolchain, log)
    with contextlib.suppress(OSError, GaslampError):  # the next project tries it again
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, {"proof": proof, "day": date.today().isoformat()})
    return proof, ""


def _get_key(toolchain: Toolchain) -> str:
    """What a trial depends on: the tools as they lie on the disk, the converter's packages, the machine, this code."""
    parts = [platform.node(), platform.machine(), sys.executable, sha256_path(Path(__file__)), toolchain["version"]]
    for name, place in sorted({**toolchain["tools"], "converter": toolchain["converter"]}.items()):
        facts = Path(place).stat()
        parts.append(f"{name} {place} {facts.st_size} {facts.st_mtime_ns}")
    packages = get_versions(("torch", "transformers", "tokenizers", "safetensors", "numpy", "gguf"))
    parts += [f"{name} {version}" for name, version in packages.items()]
    return sha256_text("\n".join(parts))[:16]


def prove_toolchain(toolchain: Toolchain, log: Path) -> Proof:
    """Take a tiny random model through every tool: convert, quantize to q8_0, serve, one completion.

    Raises:
        GaslampError: of the first step that fails.
    """
    steps: dict[str, float] = {}
    started = last = time.monotonic()

    def finish(step: str) -> None:
        nonlocal last
        now = time.monotonic()
        steps[step], last = round(now - last, 2), now

    with tempfile.TemporaryDirectory(prefix="gaslamp-proof-") as name:
        folder = Path(name)
        write_tiny_model(folder / "hf")
        finish("write")
        convert_to_gguf(toolchain, folder / "hf", folder / "f16.gguf", "f16", log)
        finish("convert")
        quantize(toolchain, folder / "f16.gguf", folder / "q8_0.gguf", "q8_0", log)
        facts = read_gguf_facts(folder / "q8_0.gguf")
        finish("quantize")
        with LlamaServer(toolchain, folder / "q8_0.gguf", context=64, log=folder / "server.log") as server:
            answer = server.complete("hello", max_tokens=8)
        finish("serve")
    if answer["completion_tokens"] < 1:
        raise GaslampError(
            "llama-server answered the tiny test model with no token",
            "delete the llama.cpp folder in the cache and run the same command: it is built again",
            f"see {log}",
        )
    return {
        "seconds": round(time.monotonic() - started, 2),
        "steps": steps,
        "completion_tokens": answer["completion_tokens"],
        "n_tensors": facts["n_tensors"],
        "quantizations": facts["quantizations"],
    }


def prove_more_tools(toolchain: Toolchain, log: Path) -> list[str]:
    """Run once, on a tiny model, every tool that a default run does not use; returns their names.

    Raises:
        GaslampError: of the first one that fails.
    """
    done = []
    with tempfile.TemporaryDirectory(prefix="gaslamp-proof-") as name:
        folder = Path(name)
        write_tiny_model(folder / "hf")
        model, text = folder / "f16.gguf", folder / "text.txt"
        convert_to_gguf(toolchain, folder / "hf", model, "f16", log)
        text.write_text("the quick brown fox jumps over the lazy dog. " * 12, encoding="utf-8")
        arguments = {
            "llama-tokenize": ["-m", str(model), "-p", "hello", "--ids"],
            "llama-imatrix": [
                "-m",
                str(model),
                "-f",
                str(text),
                "-o",
                str(folder / "imatrix.gguf"),
                "-c",
                "64",
                "--chunks",
                "2",
            ],
            "llama-completion": [
                "-m",
                str(model),
                "-p",
                "hello",
                "-n",
                "4",
                "-c",
                "64",
                "--no-conversation",
                "--no-display-prompt",
            ],
            "llama-cli": ["--version"],
        }
        for tool, options in arguments.items():
            if tool in toolchain["tools"]:
                run_tool([toolchain["tools"][tool], *options], log, f"trying {tool}")
                done.append(tool)
    return done


def write_tiny_model(folder: Path, hidden: int = 64, layers: int = 2, seed: int = 1) -> None:
    """Write a Llama of about 0.1 M random weights with a byte-level vocabulary to ``folder``, in Hugging Face form."""
    import numpy
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581"]
    vocabulary = len(tokens)
    inner = 2 * hidden
    random = numpy.random.default_rng(seed)

    def weight(rows: int, columns: int) -> NDArray[numpy.float32]:
        return (random.standard_normal((rows, columns)) * 0.05).astype(numpy.float32)

    ones = numpy.ones(hidden, dtype=numpy.float32)
    tensors = {"model.embed_tokens.weight": weight(vocabulary, hidden), "lm_head.weight": weight(vocabulary, hidden)}
    tensors["model.norm.weight"] = ones
    for layer in range(layers):
        start = f"model.layers.{layer}"
        tensors |= {f"{start}.self_attn.{part}_proj.weight": weight(hidden, hidden) for part in "qkvo"}
        tensors |= {f"{start}.mlp.{part}_proj.weight": weight(inner, hidden) for part in ("gate", "up")}
        tensors[f"{start}.mlp.down_proj.weight"] = weight(hidden, inner)
        tensors |= {f"{start}.{part}_layernorm.weight": ones for part in ("input", "post_attention")}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "vocab_size": vocabulary,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": False,
        "dtype": "float32",
    }
    write_json(folder / "config.json", config)
    special = [
        {"id": n, "content": tokens[n], "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for n in range(3)
    ]
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": {token: n for n, token in enumerate(tokens)},
            "merges": [],
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<unk>",
        "bos_token": "<s>",
        "eos_token": "</s>",
    }
    write_json(folder / "tokenizer_config.json", settings)
