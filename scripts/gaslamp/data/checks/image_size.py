"""Pictures smaller or larger than vision models like: small ones have nothing to see,
large ones cost thousands of tokens.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from gaslamp.data.checking import Facts, Finding, Sample, get_unusual
from gaslamp.data.rows import get_images

TITLE = "pictures outside 300 to 1000 pixels"
SEVERITY = "warn"
MAX_PERCENTAGE = 0.0
STAGE = "row"
FIX = (
    "resize them so that the longer side has 300 to 1000 pixels (for example: mogrify -resize 1000x1000 pictures/*.png)"
)
OPTIONS = {"smallest": 300, "largest": 1000}


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """Rows with a picture whose longer side is below ``smallest`` or above ``largest``; one finding a row."""
    if not (Path(facts.folder) / "images").is_dir():
        return  # no row has a picture
    smallest, largest = facts.options["smallest"], facts.options["largest"]
    for sample in get_unusual(samples):
        messages = [
            message
            for key in ("messages", "prompt", "chosen", "rejected", "completion")
            for message in sample.row.get(key) or ()
        ]
        for path in get_images([message for message in messages if isinstance(message, dict)]):
            width, height = get_size(Path(facts.folder) / path)
            if not smallest <= max(width, height) <= largest:
                yield Finding(sample.place, f"{path} has {width} x {height} pixels")
                break


def get_size(file: Path) -> tuple[int, int]:
    """Width and height of a picture, from its head alone."""
    from PIL import Image

    with Image.open(file) as image:
        return image.size
