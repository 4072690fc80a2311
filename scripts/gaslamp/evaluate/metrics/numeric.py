"""The number or formula at the end of the answer equals that of the reference: 1/2 is 0.5, and "so it is 12." is 12.

LaTeX and formulas are compared as mathematics (math-verify); numbers need nothing.
"""

import re
from fractions import Fraction

from gaslamp.core.packages import require_package

TITLE = "right number"
BINARY = True
_NUMBER = re.compile(r"[-+\u2212]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?(?:\s*/\s*\d+(?:\.\d+)?)?\s*%?")
_LATEX = re.compile(r"\\(?:boxed|frac|sqrt|pi|cdot|times)|\$|\^")


def read_number(text: str) -> Fraction | None:
    """The last number of ``text``, or the one after ``####``; ``None`` without one."""
    found = _NUMBER.findall(text.rsplit("####", 1)[-1][-2000:])
    if not found:
        return None
    number = found[-1].replace(",", "").replace("\u2212", "-").replace(" ", "")
    percent = number.endswith("%")
    above, _, below = number.rstrip("%").partition("/")
    try:
        power = re.search(r"[eE]([-+]?\d+)$", above)
        if len(above) > 60 or (power and abs(int(power.group(1))) > 300):
            return None  # no figure that a person means; a power of ten that size would fill the memory
        value = Fraction(above) / Fraction(below or "1")
    except (ValueError, ZeroDivisionError):
        return None
    return value / 100 if percent else value


def score(answer: str, reference: str, *, tolerance: float = 1e-6) -> float | None:
    """1 when equal within ``tolerance`` (relative), else 0;
    ``None`` when the reference holds no number and no formula.
    """
    if _LATEX.search(reference) or _LATEX.search(answer[-500:]):
        verdict = _verify(answer, reference)
        if verdict is not None:
            return verdict
    wanted = read_number(reference)
    if wanted is None:
        return None
    given = read_number(answer)
    return 0.0 if given is None else float(abs(given - wanted) <= Fraction(tolerance) * max(Fraction(1), abs(wanted)))


def _verify(answer: str, reference: str) -> float | None:
    """By math-verify; ``None`` when it can read nothing in the reference."""
    require_package("math_verify", "the metric numeric, for formulas", "cpu")
    import logging

    from math_verify import parse, verify

    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    # timeouts by signal work in the main thread only
    wanted = parse(reference.rsplit("####", 1)[-1], parsing_timeout=None) or parse(
        f"${reference}$", parsing_timeout=None
    )
    if not wanted:
        return None
    return float(verify(wanted, parse(answer[-2000:], parsing_timeout=None), timeout_seconds=None))
