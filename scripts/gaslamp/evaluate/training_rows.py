"""What the comparison needs of the training rows, in one pass over any number of them."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from gaslamp.data.rows import Row, get_reference
from gaslamp.data.spread import RUN

SAMPLE = 20_000  # rows that are searched for the nearest one
COUNTED = 500  # characters; a longer answer is no class
REHEARSAL = "rehearsal-"  # ids of the general chat data that was mixed in: not the task


@dataclass
class TrainingRows:
    """The rows of the task among the training rows.

    Attributes:
        count: rows with an answer.
        answers: how often each answer of at most ``COUNTED`` characters is given.
        known: digest of each answer -> id of the first row that gives it.
        sample: all rows, or ``SAMPLE`` of them drawn at random, in file order.
    """

    count: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    known: dict[bytes, str] = field(default_factory=dict)
    sample: list[Row] = field(default_factory=list)

    @classmethod
    def read(cls, rows: Iterable[Row]) -> TrainingRows:
        """One pass; general chat data (rehearsal) is left out."""
        found, drawn, seen = cls(), random.Random(0), 0  # noqa: S311 - a sample, no secret
        places: list[int] = []
        for row in rows:
            if str(row["id"]).startswith(REHEARSAL):
                continue
            seen += 1
            if len(found.sample) < SAMPLE:
                found.sample.append(row)
                places.append(seen)
            elif (place := drawn.randrange(seen)) < SAMPLE:
                found.sample[place], places[place] = row, seen
            if (answer := get_reference(row)) is None:
                continue
            found.count += 1
            answer = answer.strip()
            if len(answer) <= COUNTED:
                found.answers[answer] += 1
            found.known.setdefault(digest(answer), str(row["id"]))
        found.sample = [row for _, row in sorted(zip(places, found.sample, strict=True), key=lambda pair: pair[0])]
        return found

    def spread(self, most: int) -> list[Row]:
        """At most about ``most`` rows of the sample, runs of neighbours from all parts of the file."""
        every = -(-len(self.sample) // most) or 1
        return [row for n, row in enumerate(self.sample) if n // RUN % every == 0]

    def find_answer(self, text: str) -> str | None:
        """The id of a training row with exactly this answer."""
        return self.known.get(digest(text.strip()))


def digest(text: str) -> bytes:
    """16 bytes of an answer, white space and case aside."""
    return hashlib.blake2b(" ".join(text.casefold().split()).encode("utf-8", "surrogatepass"), digest_size=16).digest()
