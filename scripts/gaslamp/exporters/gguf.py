"""GGUF for llama.cpp, Ollama, LM Studio: 16 bit first, then any level."""

from __future__ import annotations

from pathlib import Path

from gaslamp.console import get_size, say
from gaslamp.contracts import Bench, Provenance
from gaslamp.files import read_json
from gaslamp.llamacpp import convert

REQUIRES = ("gguf",)


def export(merged: Path, toolchain: Path, out: Path, log: Path) -> None:
    """Convert the merged folder to ``out`` at 16 bit."""
    convert.convert_to_gguf(read_json(toolchain), merged, out, "f16", log)
    verify(out)


def quantize(source: Path, toolchain: Path, level: str, out: Path, log: Path) -> None:
    """Quantize the 16-bit file to ``level``."""
    convert.quantize(read_json(toolchain), source, out, level, log)
    verify(out)


def verify(file: Path) -> None:
    """Read the file back; raises GaslampError when it is no whole GGUF file."""
    facts = convert.read_gguf_facts(file)
    say(f"{file.name}: {get_size(facts['size_bytes'])}, {facts['bits_per_weight']:.2f} bits a weight")


def bench(files: list[Path], toolchain: Path, out: Path, log: Path) -> None:
    """Measure prompt and generation speed of each level (llama-bench: 512 prompt tokens, 128 generated) and write bench.json."""
    tools = read_json(toolchain)
    provenance = Provenance.start(list(files))
    levels, facts = {}, {}
    for file in files:
        facts = convert.bench(tools, file, log=log)
        level = get_level(file)
        levels[level] = {key: round(facts[key], 2) for key in ("prompt_tps", "prompt_stddev", "gen_tps", "gen_stddev")}
        say(f"{level}: reads {facts['prompt_tps']:.0f} tokens/s, writes {facts['gen_tps']:.0f} tokens/s")
    Bench(
        levels=levels, n_prompt=facts["n_prompt"], n_gen=facts["n_gen"], threads=facts["threads"], provenance=provenance
    ).write(out)


def get_level(file: Path) -> str:
    """``model-q4_k_m.gguf`` -> ``q4_k_m``"""
    return file.stem.removeprefix("model-")
