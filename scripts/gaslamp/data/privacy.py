"""Personal data and secrets in texts.

Clear patterns, each confirmed by a second test (check digits, reserved names) against false alarms.

What is found: e-mail addresses (not those of example domains), phone numbers written internationally or as (123)
456-7890, payment cards (Luhn digit), IBANs (mod 97), US social security numbers, public IP addresses; and of secrets
private keys, the tokens of well-known services by their prefixes, JSON web tokens, addresses with a password in them,
and password = ... lines. Names and postal addresses are not found: no pattern separates them from other words.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gaslamp.core.files import JsonObject
from gaslamp.data.rows import Row
from gaslamp.data.suspects import find_rows


@dataclass(frozen=True)
class Match:
    """Something found in a text: what it is, where it stands."""

    name: str
    start: int
    end: int


def _is_real_domain(text: str) -> bool:
    domain = text.rpartition("@")[2].lower()
    return not re.search(r"(^|\.)(example(\.(com|org|net))?|test|invalid|localhost|local)$", domain)


def _has_luhn_digit(text: str) -> bool:
    digits = [int(char) for char in text if char.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 2 or digits[0] not in (3, 4, 5, 6):
        return False
    doubled = [digit if index % 2 == 0 else digit * 2 - 9 * (digit > 4) for index, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _is_iban(text: str) -> bool:
    code = text.replace(" ", "").upper()
    return 15 <= len(code) <= 34 and int("".join(str(int(char, 36)) for char in code[4:] + code[:4])) % 97 == 1


def _is_phone(text: str) -> bool:
    return 8 <= sum(char.isdigit() for char in text) <= 15


def _is_public(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


def _is_any(text: str) -> bool:
    return True


Pattern = tuple[str, re.Pattern[str], Callable[[str], bool]]

PERSONAL: tuple[Pattern, ...] = (
    ("email", re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+", re.ASCII), _is_real_domain),
    ("iban", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), _is_iban),
    ("card", re.compile(r"(?<![\d.-])\d{4}[ -]?\d{4,6}[ -]?\d{4,5}(?:[ -]?\d{1,4})?(?![\d-])"), _has_luhn_digit),
    ("ssn", re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])"), _is_any),
    (
        "phone",
        re.compile(
            r"(?<![\w+])\+\d{1,3}[ .()-]{0,2}\d[\d .()/-]{5,16}\d(?!\w)"
            r"|(?<![\w+.])(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-.]\d{4}(?![\w-])"
        ),
        _is_phone,
    ),
    ("ip", re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])"), _is_public),
)
SECRETS: tuple[Pattern, ...] = (
    (
        "private key",
        re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----(?:[\s\S]{0,8000}?-----END (?:[A-Z]+ )*PRIVATE KEY-----)?"),
        _is_any,
    ),
    ("AWS key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), _is_any),
    ("GitHub token", re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_\w{22,}\b"), _is_any),
    ("GitLab token", re.compile(r"\bglpat-[\w-]{20,}"), _is_any),
    ("Slack token", re.compile(r"\bxox[abeprs]-[\w-]{10,}"), _is_any),
    (
        "API key",
        re.compile(
            r"\bsk-[A-Za-z0-9_-]{20,}|\bAIza[\w-]{35}\b|\bhf_[A-Za-z0-9]{30,}\b|\b[rs]k_live_\w{20,}\b|\bnpm_[A-Za-z0-9]{36}\b"
        ),
        _is_any,
    ),
    ("web token", re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"), _is_any),
    ("password in an address", re.compile(r"(?<=://)[^\s:/@]{1,64}:[^\s:/@]{3,64}(?=@)"), _is_any),
    (
        "password",
        re.compile(
            r"(?i)\b(?:password|passwd|api[_-]?key|secret[_-]?key|access[_-]?token)\b[\"']?\s*[:=]\s*[\"']?(?=\S*\d)[^\s\"'<>{}]{8,}"
        ),
        _is_any,
    ),
)
# Every text that SECRETS can match has one of these. They are looked for first, because most texts have none.
HINTS = (
    "PRIVATE KEY",
    "AKIA",
    "ASIA",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xox",
    "sk-",
    "AIza",
    "hf_",
    "k_live_",
    "npm_",
    "eyJ",
    "://",
)
_WORDS = re.compile(r"(?i)passw|api[_-]?key|secret[_-]?key|access[_-]?token")
_DIGITS = re.compile(r"\d[\d .()/-]{6}|\d[.-]\d")


# Rows that match neither need no second look; in the syntax of RE2, which reads a batch of rows at once.
PERSONAL_HINT = r"@[\w-]+\.|[\d)][ .()/-]?[\d(][\d .()/-]{5}|\d\.\d{1,3}\.\d|[A-Z]{2}\d{2} ?[A-Z0-9]{4}"
SECRETS_HINT = "|".join(HINTS) + "|(?i:passw|api[_-]?key|secret[_-]?key|access[_-]?token)"


def find_suspects(samples: Iterable[Any], hint: str, shared: JsonObject) -> Iterator[Any]:
    """The samples whose row may hold a match, found by one regular expression over all of them.

    Args:
        samples: have ``row``.
        hint: PERSONAL_HINT or SECRETS_HINT.
        shared: Facts.shared of the samples; ``json`` may hold the JSON of each.
    """
    import orjson

    batch = samples if isinstance(samples, Sequence) else list(samples)
    if not batch:
        return
    if "json" not in shared:
        keys = orjson.OPT_NON_STR_KEYS
        shared = {"json": [orjson.dumps(sample.row, default=str, option=keys) for sample in batch]}
    for index in find_rows(shared, hint):
        yield batch[index]


def find_personal(text: str) -> list[Match]:
    """Personal data in ``text``, in the order it stands; of overlapping matches the first pattern wins."""
    mail = "@" in text
    digits = _DIGITS.search(text) is not None
    if not mail and not digits:
        return []
    return _find(text, PERSONAL if digits else PERSONAL[:1])


def find_secrets(text: str) -> list[Match]:
    """Keys, tokens and passwords in ``text``, in the order they stand."""
    if not any(hint in text for hint in HINTS) and not _WORDS.search(text):
        return []
    return _find(text, SECRETS)


def _find(text: str, patterns: tuple[Pattern, ...]) -> list[Match]:
    found: list[Match] = []
    for name, pattern, is_real in patterns:
        for match in pattern.finditer(text):
            overlaps = any(match.start() < other.end and other.start < match.end() for other in found)
            if not overlaps and is_real(match.group()):
                found.append(Match(name, match.start(), match.end()))
    return sorted(found, key=lambda match: match.start)


def mask(text: str, match: Match) -> str:
    """A found text as a report may show it: its first two characters and its length."""
    value = text[match.start : match.end]
    return f"{value[:2]}… ({len(value)} characters)"


def find_first(
    samples: Iterable[Any], hint: str, find: Callable[[str], list[Match]], shared: JsonObject
) -> Iterator[tuple[str, str]]:
    """(place of the row, what was found there, masked) of every row in which ``find`` matches.

    Args:
        samples: have ``row`` and ``place``.
        hint: PERSONAL_HINT or SECRETS_HINT.
        find: find_personal or find_secrets.
        shared: Facts.shared of the samples.
    """
    for sample in find_suspects(samples, hint, shared):
        for place, text in get_texts(sample.row):
            if found := find(text):
                more = f" and {len(found) - 1} more" if len(found) > 1 else ""
                yield sample.place, f"{found[0].name} {mask(text, found[0])} in {place}{more}"
                break


def redact(text: str) -> str:
    """``text`` with everything found replaced by its name in brackets.

    ``[EMAIL]``, ``[API KEY]``; equal when nothing is found.
    """
    for find in (find_secrets, find_personal):
        parts, end = [], 0
        for match in find(text):
            parts += [text[end : match.start], f"[{match.name.upper()}]"]
            end = match.end
        text = "".join(parts) + text[end:] if parts else text
    return text


def get_texts(value: object, place: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a row with its place (``messages 2 content``); what names an image is left out."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, list):
        for number, item in enumerate(value, 1):
            yield from get_texts(item, f"{place} {number}")
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in ("id", "image", "role", "type"):
                yield from get_texts(item, f"{place} {key}".strip())


def redact_row(row: Row) -> Row:
    """A copy of ``row`` with every text redacted (``data.redact``); the row itself when there is nothing to redact."""

    def clean(value: object) -> Any:
        if isinstance(value, str):
            return redact(value)
        if isinstance(value, list):
            return [clean(item) for item in value]
        if isinstance(value, dict):
            return {key: item if key in ("id", "image", "role", "type") else clean(item) for key, item in value.items()}
        return value

    if not any(find_personal(text) or find_secrets(text) for _, text in get_texts(row)):
        return row
    cleaned: Row = clean(row)
    return cleaned
