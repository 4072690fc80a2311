"""Handwritten digits as pictures: for vision models. The pictures come with scikit-learn, nothing is downloaded.

Each is 8 x 8 points of 17 greys, enlarged to 320 x 320 (the sizes that vision models like best are 300 to 1000
pixels) and given as a PNG in base64; the data phase writes it to a file.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

from gaslamp.core.errors import GaslampError
from gaslamp.data.embedded._draw import SPLITS, Draw
from gaslamp.data.rows import SourceRow

ROWS = "images"  # kind of its rows: the interview recommends a method for it
DESCRIPTION = "Handwritten digits (scikit-learn) to the digit's word: pictures of 320 x 320 pixels"
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
QUESTIONS = ("Which digit is this?", "What number was written here?", "Read the digit.")
SCALE = 40


def generate(seed: int = 3407, n_train: int = 200, n_valid: int = 20, n_test: int = 50) -> Iterator[SourceRow]:
    """Yield ``{"messages": [user with image and text, assistant], "split"}``.

    Digits alternate and no picture occurs twice.

    Raises:
        GaslampError: scikit-learn or Pillow is not installed, a size below 0, or more rows than there are pictures
        (about 170 a digit).
    """
    if min(n_train, n_valid, n_test) < 0:
        raise GaslampError("the number of rows cannot be negative", "set n_train, n_valid and n_test to 0 or more")
    try:
        from PIL import Image
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise GaslampError(
            "embedded:digits_vision needs the packages scikit-learn and pillow",
            "make setup, or: pip install scikit-learn pillow",
        ) from error

    draw = Draw(seed)
    digits = load_digits()
    pools = [draw.shuffle([i for i, target in enumerate(digits.target) if target == digit]) for digit in range(10)]
    made = 0
    for split, count in zip(SPLITS, (n_train, n_valid, n_test), strict=True):
        for _ in range(count):
            digit = made % 10
            if not pools[digit]:
                raise GaslampError(f"there are no more pictures of the digit {digit}", "ask for fewer rows")
            points = digits.images[pools[digit].pop()]
            grey = (255 - points * 15.9375).round().astype("uint8").repeat(SCALE, 0).repeat(SCALE, 1)
            buffer = io.BytesIO()
            Image.fromarray(grey).convert("RGB").save(buffer, format="PNG", compress_level=6)
            image = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
            user = [{"type": "image", "image": image}, {"type": "text", "text": draw.pick(QUESTIONS)}]
            messages = [{"role": "user", "content": user}, {"role": "assistant", "content": WORDS[digit]}]
            made += 1
            yield {"messages": messages, "split": split}
