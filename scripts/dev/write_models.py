"""Write docs/models.md: what each chat template does with each kind of data (make models).

It runs the matrix of the tests, which needs the packages of tests/real_tokenizers.py (a network, once) and a minute.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "models.md"
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
    "mistral": "Mistral v0.3 (LLaVA-NeXT's template)",
    "mistral_v1": "Mistral v0.1 (LLaVA-NeXT's template)",
    "gptoss": "gpt-oss",
    "deepseek_v3": "DeepSeek V3",
    "deepseek_r1": "DeepSeek R1",
    "deepseek_distill": "DeepSeek R1 distilled",
    "cohere": "Command R",
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


def get_matrix() -> ModuleType:
    """tests/template_matrix.py."""
    for folder in ("scripts", "tests"):
        if str(ROOT / folder) not in sys.path:
            sys.path.insert(0, str(ROOT / folder))
    import template_matrix

    return template_matrix


def render_row(name: str, cells: dict[str, tuple[str, str]], is_real: bool) -> str:
    """One line of the table.

    Args:
        name: of NAMES.
        cells: kind of data -> (mark, why it is refused).
        is_real: the tokenizer is the published one.

    Raises:
        LookupError: a reason for which this page has no words.
    """
    notes = []
    for _, why in cells.values():
        if why:
            notes.append(next(text for cause, text in CAUSES if cause in why))
    marks = " | ".join(
        {"right": "yes", "rows": "row per answer", "refused": "**refused**"}[cells[kind][0]] for kind in cells
    )
    return f"| {NAMES[name]} | {'own' if is_real else 'bytes'} | {marks} | {'; '.join(dict.fromkeys(notes))} |"


def make_row(name: str, folder: Path) -> str:
    """The line of one template, from its matrix; raises AssertionError when a cell would be learnt wrongly."""
    matrix = get_matrix()
    subject = matrix.load(name, folder)
    cells = {kind: matrix.check(subject, kind) for kind in matrix.KINDS}
    return render_row(
        name, {kind: (cell.mark, cell.note) for kind, cell in cells.items()}, name in matrix.real_tokenizers.FAMILIES
    )


def main() -> None:
    matrix = get_matrix()
    with tempfile.TemporaryDirectory() as folder:
        rows = [make_row(name, Path(folder)) for name in (*matrix.real_tokenizers.FAMILIES, *matrix.PUBLISHED)]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BORDER)
    after = rest.partition(BORDER)[2]
    head = f"{before}{BORDER}\n\n| model | tokenizer | {' | '.join(matrix.KINDS)} | what its template cannot do |\n"
    lines = "|---" * (len(matrix.KINDS) + 3) + "|\n" + "\n".join(rows)
    PAGE.write_text(f"{head}{lines}\n\n{BORDER}{after}", encoding="utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
