"""Which rows of a chunk a check must look into: one search over the JSON of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from gaslamp.core.files import JsonObject
from gaslamp.data.checking import Facts, Sample

HEAD = b'{"messages":['
"""The JSON of a conversation up to its first turn: this bracket is no part of a text."""


def get_suspects(samples: Iterable[Sample], facts: Facts, signs: tuple[bytes, ...]) -> Iterable[Sample]:
    """The samples with one of ``signs`` in their JSON, for checks of rows; of the others no sample is made.

    Args:
        samples: of a chunk.
        facts: with the JSON of the rows; without it all samples come.
        signs: bytes without which nothing can be found.
    """
    if facts.shared.get("json") is None or b"" in signs:
        return samples
    return _pick(samples, find_rows(facts.shared, _get_pattern(signs)))


def _pick(samples: Iterable[Sample], numbers: list[int]) -> Iterator[Sample]:
    if isinstance(samples, Sequence):
        yield from (samples[number] for number in numbers)
        return
    wanted = set(numbers)
    yield from (sample for number, sample in enumerate(samples) if number in wanted)


_PATTERNS: list[str] = []
"""What checks of this process looked for in the chunks before."""
MOST = 16  # patterns; a project has fewer


def find_rows(shared: JsonObject, pattern: str) -> list[int]:
    """The numbers of the rows whose JSON matches.

    All patterns of the chunks before are searched together, in one pass for all checks; each by itself only in the
    rows where that found anything, which are few.

    Args:
        shared: Facts.shared, see ``get_array``.
        pattern: in the syntax of RE2.
    """
    from pyarrow.compute import indices_nonzero, match_substring_regex

    rows = get_array(shared)
    if "few" not in shared:
        known = tuple(_PATTERNS)
        any_of = "|".join(f"(?:{one})" for one in known)
        places = indices_nonzero(match_substring_regex(rows, any_of)) if known else None
        shared["few"] = known, places, rows.take(places) if known else None
    known, places, few = shared["few"]
    if pattern in known:
        return places.filter(match_substring_regex(few, pattern)).to_pylist()  # type: ignore[no-any-return]
    if pattern not in _PATTERNS and len(_PATTERNS) < MOST:
        _PATTERNS.append(pattern)
    return indices_nonzero(match_substring_regex(rows, pattern)).to_pylist()  # type: ignore[no-any-return]


@lru_cache(maxsize=32)
def _get_pattern(signs: tuple[bytes, ...]) -> str:
    """Any of ``signs``, in the syntax of RE2, which reads all rows in one pass however many there are."""
    return "|".join("".join(f"\\x{byte:02x}" for byte in sign) for sign in signs)


def get_array(shared: JsonObject) -> Any:
    """The JSON of the rows of a chunk, without HEAD, as one Arrow array (large_binary [rows]), made once.

    Args:
        shared: Facts.shared, with ``json``: bytes of each row.
    """
    import numpy
    import pyarrow

    if "array" not in shared:
        bodies = [line.removeprefix(HEAD) for line in shared["json"]]
        ends = numpy.zeros(len(bodies) + 1, dtype=numpy.int64)
        numpy.cumsum(numpy.fromiter(map(len, bodies), numpy.int64, len(bodies)), out=ends[1:])
        buffers = [None, pyarrow.py_buffer(ends), pyarrow.py_buffer(b"".join(bodies))]
        shared["array"] = pyarrow.LargeBinaryArray.from_buffers(pyarrow.large_binary(), len(bodies), buffers)
    return shared["array"]
