"""Test rows as the demo page shows them: prompt, images, reference, and both answers with the words that differ."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.contracts import Example
from gaslamp.pages.differences import get_label, lay_out, mark
from gaslamp.pages.html import embed_file

MAX_IMAGE = 2_000_000  # bytes of an image that the page carries
LABELS = {"preference": "preferred", "rating": "rated_good", "prompt": "compare_with"}
"""Kind of row -> the word that names its reference (a key of languages/*.yaml); every other kind: ``expected``."""

Json = dict[str, object]


def get_example(example: Example, kind: str, folder: Path) -> Json:
    """One row for the script of the page.

    Args:
        example: the row of compare.json.
        kind: of the rows (a key of ``data.rows.KINDS``).
        folder: where the images of the rows are.
    """
    expected = "" if example.rated_bad else example.reference  # what an answer can be compared with
    answer = example.tuned if expected and example.tuned.strip() else example.reference
    return {
        "images": get_images(example, folder),
        "label": get_label(example),
        "change": example.change,
        "slice": example.slice,
        "prompt": [{"role": turn.get("role", ""), "content": turn.get("content", "")} for turn in example.prompt],
        "reference": ("rated_bad" if example.rated_bad else LABELS.get(kind, "expected")) if example.reference else "",
        "expected": _get_answer(example.reference, answer),
        "base": {**_get_answer(example.base, expected), "score": example.base_score},
        "tuned": {**_get_answer(example.tuned, expected), "score": example.tuned_score},
        "same": bool(expected) and example.tuned.strip() == expected.strip(),
    }


def get_images(example: Example, folder: Path) -> list[str]:
    """The images of a row as data URIs, so that the page stays one file; missing and too large ones are left out."""
    files = [folder / path for path in example.images]
    return [image for file in files if (image := embed_file(file, MAX_IMAGE))]


def _get_answer(text: str, expected: str) -> Json:
    """Both forms of an answer as pieces with their marks: as written, and laid out when it is JSON."""
    laid_out = lay_out(text)
    answer: Json = {"written": mark(text, expected)}
    if laid_out is not None:
        answer["laid_out"] = mark(laid_out, lay_out(expected) or expected)
    return answer
