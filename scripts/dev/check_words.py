"""Find words that this project does not use, with the term to use instead: `docs/glossary.md` explains the terms.

Names count too: `eyes_folder` is found as well as `eyes`. Data sets and translations are not checked.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
BANNED = {
    r"eyes?": "vision tower, mmproj file",
    r"mend(s|ed|ing)?": "fix",
    r"shall": "should, must, will",
    r"(tell|tells|telling|told)": "report, log, record, emit, show",
    r"(?<!frequently )asked": "evaluated, scored, prompted, requested",
    r"beside": "next to, in addition to; companion file",
    r"speaks?": "log, warn, fail, describe",
    r"by heart": "memorized, overfitting",
    r"(the )?part that talks": "language model",
    r"models? that (can )?sees?": "vision model, multimodal model",
    r"general talk": "general chat data",
    r"rows of a (pass|step)": "batch size, effective batch size",
    r"gathered": "accumulated (gradient accumulation)",
    r"(tokens?|answers?|completions?) (is|are|was|were)? ?drawn": "sampled",
    r"riddles?": "say what is unclear",
    r"anew": "again",
}
"""Pattern of a word -> what to write instead."""
CHECKED = (
    ".py",
    ".md",
    ".smk",
    ".j2",
    ".html",
    ".js",
    ".css",
    ".yaml",
    ".yml",
    ".toml",
    ".cff",
    "Makefile",
    "Snakefile",
)
SKIPPED = (
    "scripts/dev/check_words.py",
    "tests/unit/dev/test_lint_tools.py",
    "docs/glossary.md",
    "scripts/gaslamp/data/embedded/",  # data sets
    "scripts/gaslamp/report/demo/languages/",  # translations
)
ALLOWED = re.compile(r"words: ok")
"""A comment with these words on the line: the word stands for itself there, for instance in a data row."""
PATTERNS = {re.compile(rf"(?<![A-Za-z]){word}(?![A-Za-z])", re.IGNORECASE): instead for word, instead in BANNED.items()}


class Finding(NamedTuple):
    """One word that should be replaced."""

    file: str
    line: int
    word: str
    instead: str


def find_words(file: str, text: str) -> list[Finding]:
    """All findings in the text of one file."""
    return [
        Finding(file, number, match.group(0), instead)
        for number, line in enumerate(text.splitlines(), 1)
        if not ALLOWED.search(line)
        for pattern, instead in PATTERNS.items()
        for match in pattern.finditer(line)
    ]


def get_area(file: str) -> str:
    """Where a file belongs in the report: ``gaslamp/data``, ``tests/unit/data``, ``docs``, ``rules`` ..."""
    parts = Path(file).parts
    if file.startswith("scripts/gaslamp/") and len(parts) > 3:
        return "/".join(parts[1:3])
    return "/".join(parts[: 3 if file.startswith("tests/unit/") else 2][: len(parts) - 1]) or "."


def list_files() -> list[str]:
    """The files that are checked: what git knows, and new files that it does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [
        name
        for name in done.stdout.splitlines()
        if name.endswith(CHECKED) and not name.startswith(SKIPPED) and (ROOT / name).is_file()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("under", nargs="*", help="list every finding in files whose path starts with one of these")
    parser.add_argument("--all", action="store_true", help="list every finding")
    args = parser.parse_args()
    findings = [found for name in list_files() for found in find_words(name, (ROOT / name).read_text(encoding="utf-8"))]
    listed = findings if args.all else [item for item in findings if item.file.startswith(tuple(args.under) or "\0")]
    for item in listed:
        print(f"{item.file}:{item.line}: '{item.word}': {item.instead}")
    for area, count in sorted(Counter(get_area(item.file) for item in findings).items()):
        print(f"{count:5} {area}")
    print(f"{len(findings):5} together" if findings else "words: clean")
    for item in findings:
        print(f"to fix: {item.file}:{item.line}: '{item.word}': {item.instead}")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
