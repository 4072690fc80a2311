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
    import pyarrow.compute

    if facts.shared.get("json") is None:
        return samples
    found = pyarrow.compute.match_substring_regex(get_array(facts.shared), _get_pattern(signs))
    numbers = pyarrow.compute.indices_nonzero(found).to_pylist()
    return _pick(samples, numbers)


def _pick(samples: Iterable[Sample], numbers: list[int]) -> Iterator[Sample]:
    if isinstance(samples, Sequence):
        yield from (samples[number] for number in numbers)
        return
    wanted = set(numbers)
    yield from (sample for number, sample in enumerate(samples) if number in wanted)


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
