"""How programs write text in their exports: Slack's marks, Messenger's letters as bytes."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from pathlib import Path

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json

_MARK = re.compile(r"<([@#!]?)([^<>|\n]+)(?:\|([^<>\n]*))?>")


def read_slack(text: str, people: dict[str, str]) -> str:
    """A message of Slack as it was shown: names for ids, words for links, ``&`` for ``&amp;``.

    Args:
        text: as the export has it.
        people: id of a user -> name.
    """

    def show(mark: re.Match[str]) -> str:
        sign, target, label = mark.groups()
        if sign == "@":
            return f"@{label or people.get(target, target)}"
        if sign == "#":
            return f"#{label or target}"
        if sign == "!":  # here, channel, a date
            return label or f"@{target}"
        target = target.removeprefix("mailto:").removeprefix("tel:")
        return target if not label or label == target else f"{label} ({target})"

    return html.unescape(_MARK.sub(show, text))


def read_people(folder: Path) -> dict[str, str]:
    """The names that a Slack export gives its users, by id; empty for other folders.

    Args:
        folder: that the messages are in, or one above it.
    """
    files = [file for pattern in ("users.json", "*/users.json") for file in sorted(folder.glob(pattern))]
    people: dict[str, str] = {}
    for file in files:
        try:
            users = read_json(file)
        except GaslampError:
            continue  # another file of that name
        for user in users if isinstance(users, list) else []:
            if isinstance(user, dict) and isinstance(user.get("id"), str):
                profile = user["profile"] if isinstance(user.get("profile"), dict) else {}
                said = (profile.get("display_name"), profile.get("real_name"), user.get("real_name"), user.get("name"))
                name = next((text for text in said if isinstance(text, str) and text.strip()), None)
                people |= {user["id"]: name} if name else {}
    return people


def read_teams(body: Mapping[str, object]) -> str:
    """A message of Microsoft Teams as it was shown, without the tags of its HTML.

    Args:
        body: its ``content`` and ``contentType``.
    """
    text = str(body.get("content") or "")
    if body.get("contentType") != "html":
        return text
    lines = re.sub(r"<br\s*/?>|</(?:p|div|li)>", "\n", text)
    return html.unescape(re.sub(r"<[^>]*>", "", lines)).replace("\u00a0", " ").strip()


def read_messenger(text: str) -> str:
    """A text of Messenger or Instagram, whose exports write each byte of a letter as a letter of its own."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
