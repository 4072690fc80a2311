"""Test rows that nearly stand in training: the model can have memorized the answer,
and the score says less than it seems.
"""

from collections.abc import Iterable, Iterator

from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.checks.near_duplicates import get_findings
from gaslamp.data.near import compare_samples, find_twins

TITLE = "test rows that nearly stand in training"
SEVERITY = "warn"
MAX_PERCENTAGE = 1.0  # of all rows; none of the embedded sets has one
STAGE = "set"
FIX = (
    "put rows that belong together into one split: name a column that they share in data.group; or remove one of "
    "each pair"
)
OPTIONS = {"similarity": 0.85}  # as for near_duplicates


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """Test rows with a near twin among training and validation rows."""
    import numpy as np

    signatures, splits = compare_samples(samples, facts.shared)
    known = np.fromiter((split != "test" for split in splits), bool, len(splits))
    yield from get_findings(
        samples, find_twins(signatures, facts.options["similarity"], ~known, known), "test row is nearly"
    )
