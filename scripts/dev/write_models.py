"""Write docs/models.md: what a chat template does with each kind of data, and what becomes of it as GGUF (make models).

It runs the matrix of the tests, which needs the packages of tests/real_packages.py (a network, once) and a minute. What
was seen of GGUF files is in tests/golden/models_export.json (scripts/dev/try_models.py writes it).
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "models.md"
EXPORTS = ROOT / "tests" / "golden" / "models_export.json"
BORDER = "<!-- rows -->"
NAMES = {
    "llama3": "Llama 3",
    "llama3_1": "Llama 3.1",
    "llama3_2": "Llama 3.2",
    "qwen2_5": "Qwen2.5",
    "qwen3": "Qwen3",
    "qwen3_instruct_2507": "Qwen3 Instruct 2507",
    "gemma2": "Gemma 1 and 2",
    "gemma3": "Gemma 3",
    "phi3": "Phi-3",
    "phi3_5": "Phi-3.5",
    "mistral": "Mistral v0.3 (template of Mistral Large 2407)",
    "mistral_v1": "Mistral v0.1 and v0.2",
    "mistral_nemo": "Mistral Nemo",
    "phi4": "Phi-4",
    "smollm3": "SmolLM3 (template as llama.cpp ships it)",
    "granite": "Granite 3.3",
    "gptoss": "gpt-oss",
    "deepseek_v3": "DeepSeek V3",
    "deepseek_r1": "DeepSeek R1",
    "deepseek_distill_llama": "DeepSeek R1 distilled (Llama)",
    "deepseek_distill_qwen": "DeepSeek R1 distilled (Qwen)",
    "command_r": "Command R",
    "cohere2": "Command R7B",
    "gemma4": "Gemma 4",
    "glm4moe": "GLM 4.5",
    "idefics3": "Idefics3",
    "lfm2": "LFM2",
    "lfm2_2_5": "LFM2.5",
    "muse_glimmer": "Muse Glimmer",
    "nemotron_3_5_lightning": "Nemotron 3.5 Lightning",
    "nemotron_3_nano": "Nemotron 3 Nano",
    "nemotron_3_super": "Nemotron 3 Super",
    "nemotron_3_ultra": "Nemotron 3 Ultra",
    "qwen2_5_vl": "Qwen2.5-VL",
    "qwen3_5_nothink": "Qwen3.5, thinking off",
    "qwen3_5_think": "Qwen3.5, thinking on",
    "qwen3_6": "Qwen3.6",
    "qwen3_8": "Qwen3.8",
    "qwen3_vl": "Qwen3-VL",
}
CAUSES = (  # what a refusal says -> what the page says of the template
    ("System role", "refuses a system turn: `data.system_as_user: true`"),
    ("roles must alternate", "refuses turns of tools"),
    ("Only user and assistant", "refuses turns of tools"),
    ("no tools and no tool calls", "shows neither tools nor calls"),
    ("shows no tool calls", "shows no calls"),
    ("shows no tools", "shows calls, but no tools"),
    ("shows no thoughts", "shows thoughts only before calls: `train.thinking: empty`"),
    ("never ends an answer", "does not end a turn of one call"),
)


FAILURES = (  # what a trial says -> what the page says
    ("reads the random answers", "not tried: its server reads random answers as broken ones"),
    ("does not answer", "not tried: no small copy answers"),
)
DIFFERENCES = (  # what a trial finds served otherwise than trained -> what the page says
    (
        "shows the end token",
        "**refused** before the training: llama-server shows its end token in every answer; `export.formats: [merged]`",
    ),
)


def render_export(name: str, known: dict[str, Any]) -> tuple[str, str]:
    """The cells GGUF and Ollama of a family.

    Args:
        name: of the family or template.
        known: what was seen, by family.

    Raises:
        LookupError: a trial that failed in a way for which this page has no words.
    """
    if "trial" not in known.get(name, {}):
        return "", ""
    trial = known[name]["trial"]
    if not trial["converted"]:
        reason = trial.get("refused") or trial["reason"]
        return next(text for cause, text in FAILURES if cause in reason), ""
    ollama = {None: "none", "Derived": "its own"}.get(trial["ollama"], trial["ollama"])
    if trial["problems"]:
        return next(text for cause, text in DIFFERENCES if cause in trial["problems"][0]), ollama
    if known[name].get("graph", {}).get("passed"):
        return "whole graph", ollama
    return "yes" if "endpoint answers" in trial["checks"] else "prompts", ollama


def get_matrix() -> ModuleType:
    """tests/template_matrix.py."""
    for folder in ("scripts", "tests"):
        if str(ROOT / folder) not in sys.path:
            sys.path.insert(0, str(ROOT / folder))
    import template_matrix

    return template_matrix


def render_row(name: str, cells: dict[str, tuple[str, str]], tokenizer: str, export: tuple[str, str]) -> str:
    """One line of the table.

    Args:
        name: of NAMES.
        cells: kind of data -> (mark, why it is refused).
        tokenizer: own, rebuilt or bytes.
        export: the cells GGUF and Ollama.

    Raises:
        LookupError: a reason for which this page has no words.
    """
    notes = []
    for kind, (_, why) in cells.items():
        if why and kind == "system":  # some refuse it by the words for an odd order of roles
            notes.append(CAUSES[0][1])
        elif why:
            notes.append(next(text for cause, text in CAUSES if cause in why))
    marks = " | ".join(
        {"right": "yes", "rows": "row per answer", "refused": "**refused**"}[cells[kind][0]] for kind in cells
    )
    return f"| {NAMES[name]} | {tokenizer} | {marks} | {' | '.join(export)} | {'; '.join(dict.fromkeys(notes))} |"


def make_row(name: str, folder: Path) -> str:
    """The line of one template, from its matrix; raises AssertionError when a cell would be learnt wrongly."""
    matrix = get_matrix()
    subject = matrix.load(name, folder)
    cells = {kind: matrix.check(subject, kind) for kind in matrix.KINDS}
    real = matrix.real_tokenizers
    known = json.loads(EXPORTS.read_text(encoding="utf-8"))
    family = real.FAMILIES.get(name)
    tokenizer = "bytes" if family is None else "own" if family.is_published else "rebuilt"
    export = render_export(name, known)
    return render_row(name, {kind: (cell.mark, cell.note) for kind, cell in cells.items()}, tokenizer, export)


def main() -> None:
    matrix = get_matrix()
    with tempfile.TemporaryDirectory() as folder:
        rows = [make_row(name, Path(folder)) for name in (*matrix.real_tokenizers.FAMILIES, *matrix.PUBLISHED)]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BORDER)
    after = rest.partition(BORDER)[2]
    columns = ("model", "tokenizer", *matrix.KINDS, "GGUF", "Ollama", "what its template cannot do")
    head = f"{before}{BORDER}\n\n| {' | '.join(columns)} |\n"
    lines = "|---" * len(columns) + "|\n" + "\n".join(rows)
    PAGE.write_text(f"{head}{lines}\n\n{BORDER}{after}", encoding="utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
