"""Every row tokenized as training will: its lengths, and the checks that look at rendered text, ids and masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from gaslamp.core.errors import GaslampError
from gaslamp.data.checking import Check, Facts, Finding, Sample, run_checks
from gaslamp.data.conversion import SPLITS
from gaslamp.data.encode import encode_rows, split_row
from gaslamp.data.rows import Row
from gaslamp.data.spool import Spool
from gaslamp.data.system_turn import put_system_into_user
from gaslamp.models.masks import LEARNT, Pieces
from gaslamp.models.template import Encoded, Renderer

ENCODED = 256  # rows tokenized together
SYSTEM_FIX = (
    "set data.system_as_user: true: it puts the system prompt into the first user turn; or choose a model whose chat "
    "template takes a system turn"
)
SYSTEM_SETTINGS = {"data.system_as_user": True}
TOOLS_FIX = "choose a model whose chat template takes tool calls and results (docs/models.md), or leave these rows out"


@dataclass
class Lengths:
    """Counts of how many tokens rows have: as small for a million rows as for ten."""

    total: Counter[int] = field(default_factory=Counter)
    prompt: Counter[int] = field(default_factory=Counter)
    completion: Counter[int] = field(default_factory=Counter)
    longest: int = 0  # of the training and validation rows
    trained: int = 0  # tokens of the training rows that carry loss

    def add(self, rows: list[list[Encoded]], split: str, together: bool = False) -> None:
        """Count the tokens of rows of one split: of the longest side or sequence of each.

        Args:
            rows: the sides or sequences of each row.
            split: of these rows.
            together: all sequences of a row are trained (a conversation), so the trained tokens of all are counted.
        """
        for sides in rows:
            longest = get_longest(sides)
            learnt = longest.trained.count(LEARNT)
            self.total[len(longest.ids)] += 1
            if split != "test":
                self.longest = max(self.longest, len(longest.ids))
            self.completion[learnt] += 1
            self.prompt[len(longest.ids) - learnt] += 1
            if split == "train":
                self.trained += (
                    sum(side.trained.count(LEARNT) for side in sides) if together and len(sides) > 1 else learnt
                )


def get_longest(sides: list[Encoded]) -> Encoded:
    """The longest side or sequence of a row."""
    return sides[0] if len(sides) == 1 else max(sides, key=lambda side: len(side.ids))


def encode_splits(spool: Spool, renderer: Renderer, checks: dict[str, Check], facts: Facts) -> Lengths:
    """Tokenize every row as training will, count lengths, and call the checks that look at text, ids and masks.

    Rows that the chat template refuses are left out of their split, where the check ``unrenderable`` allows them.
    """
    lengths = Lengths()
    refused: dict[str, list[int]] = {}
    for split in SPLITS:
        refused[split] = []
        encode_samples(spool.read(split), split, renderer, checks, facts, lengths, refused[split])
    if not checks["unrenderable"].blocks:
        for split, numbers in refused.items():
            spool.drop(split, numbers)
    return lengths


def encode_samples(
    samples: Iterator[Sample],
    split: str,
    renderer: Renderer,
    checks: dict[str, Check],
    facts: Facts,
    lengths: Lengths | None = None,
    refused: list[int] | None = None,
) -> Lengths:
    """The rows of one split, a batch at a time; returns ``lengths`` with theirs added.

    Args:
        samples: rows of the split.
        split: train, valid or test.
        renderer: of the project.
        checks: take up what they find.
        facts: for the checks.
        lengths: takes up the lengths; None: a new one.
        refused: takes up the numbers (from 0) of the rows that the chat template refuses.
    """
    lengths = Lengths() if lengths is None else lengths
    number = 0
    while batch := list(islice(samples, ENCODED)):
        kept, pieces, dropped = split_batch(renderer, batch, checks["unrenderable"])
        if refused is not None:
            refused += [number + index for index in dropped]
        number += len(batch)
        encoded = encode_rows(renderer, pieces)
        lengths.add(encoded, split, facts.kind == "conversation")
        for sample, sides, texts in zip(kept, encoded, pieces, strict=True):
            longest = get_longest(sides)
            sample.ids, sample.trained, sample.pieces = longest.ids, longest.trained, texts
        run_checks(checks, "encoded", kept, 0 if split == "test" else len(kept), facts)
    return lengths


def split_batch(
    renderer: Renderer, batch: list[Sample], unrenderable: Check
) -> tuple[list[Sample], list[list[Pieces]], list[int]]:
    """The samples that the template takes, their pieces, and the positions of the others.

    The others become findings of ``unrenderable``.
    """
    from jinja2 import TemplateError

    kept, pieces, dropped = [], [], []
    for index, sample in enumerate(batch):
        try:
            pieces.append(split_row(renderer, sample.row))
            kept.append(sample)
            continue
        except GaslampError as error:
            finding = Finding(sample.place, error.cause, error.fix)
        except (TemplateError, TypeError, ValueError) as error:
            finding = Finding(sample.place, f"the chat template of the model refuses it: {error}")
            if fix := find_fix(sample.row, renderer):
                finding = replace(finding, fix=fix, settings=SYSTEM_SETTINGS if fix == SYSTEM_FIX else {})
        unrenderable.add([finding])
        dropped.append(index)
    unrenderable.seen += len(batch)
    return kept, pieces, dropped


def find_fix(row: Row, renderer: Renderer) -> str:
    """What makes a chat template take a row that it refuses, tried where it can be; "" when nothing here does."""
    turns = [turn for key in ("messages", "prompt") for turn in row.get(key) or ()]
    if turns and turns[0]["role"] == "system" and is_taken(put_system_into_user(row), renderer):
        return SYSTEM_FIX
    if any(turn["role"] == "tool" or turn.get("tool_calls") for turn in turns):
        return TOOLS_FIX
    return ""


def is_taken(row: Row, renderer: Renderer) -> bool:
    """Whether the chat template renders a row."""
    from jinja2 import TemplateError

    try:
        split_row(renderer, row)
    except (GaslampError, TemplateError, TypeError, ValueError):
        return False
    return True


def get_spread(counts: Counter[int]) -> dict[str, float]:
    """Median, 95th percentile and maximum of counted values."""
    total = sum(counts.values())
    wanted = {"p50": total // 2, "p95": int(total * 0.95), "max": total - 1}
    found, passed = {}, 0
    for value in sorted(counts):
        passed += counts[value]
        for name, rank in wanted.items():
            if name not in found and passed > rank:
                found[name] = float(value)
    return found


def get_histogram(counts: Counter[int], bins: int = 40) -> list[dict[str, int]]:
    """Rows by length in equal bins: from (included), to (excluded), rows."""
    width = max(1, -(-(max(counts) + 1) // bins)) if counts else 1
    rows = Counter({0: 0})
    for value, count in counts.items():
        rows[value // width] += count
    return [{"from": index * width, "to": (index + 1) * width, "rows": rows[index]} for index in range(max(rows) + 1)]
