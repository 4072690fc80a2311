"""Mails: .eml files and .mbox archives, a row for each mail with its thread; what it quotes is left out."""

from __future__ import annotations

import email
import email.message
import email.policy
import email.utils
import html
import mailbox
import re
from collections.abc import Iterator

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk, Numbered, Reading, parse_rows

_INTRO = (
    r"(?:On [^\n]{5,200}\n?[^\n]{0,100}wrote|Am [^\n]{5,200}schrieb[^\n]{0,100}|Le [^\n]{5,200}\xe9crit\s?|"
    r"El [^\n]{5,200}escribi\xf3|Il [^\n]{5,200}ha scritto|Em [^\n]{5,200}escreveu|Op [^\n]{5,200}schreef[^\n]{0,100}):"
)
"""The line in front of what a mail quotes."""
QUOTED = re.compile(
    rf"\n+(?:{_INTRO}|-{{3,}} ?(?:Original Message|Urspr\xfcngliche Nachricht|Forwarded message)[^\n]*|"
    r"_{10,}\n(?:From|Von|De|Da|Van): |"
    r"(?:From|Von|De|Da|Van): [^\n]+\n(?:Sent|Gesendet|Envoy\xe9|Enviado|Inviato|Verzonden|Date)\s?: |-- \n).*\Z",
    re.DOTALL,
)
"""What begins a quoted mail or a signature, up to the end."""
ABOVE = re.compile(rf"\n+{_INTRO}[ \t]*\n+(?=>)")
"""The line in front of a quote that is marked line by line: the answer may stand below it."""
QUOTES_NOTE = "of mails what they quote, their signatures and their subjects are left out"
REPLY = re.compile(r"^\s*((re|aw|fwd?|wg|sv|antw|rif|tr)(\[\d+\])?:\s*)+", re.IGNORECASE)


def read_eml(reading: Reading) -> Iterator[Chunk]:
    """The one mail of a file. Raises GaslampError when it is none."""
    yield from _get_chunks([reading.file.read_bytes()], reading)


def read_mbox(reading: Reading) -> Iterator[Chunk]:
    """The mails of an archive. Raises GaslampError when it holds none."""
    box = mailbox.mbox(str(reading.file), create=False)
    try:
        yield from _get_chunks((box.get_bytes(key) for key in box.keys()), reading)  # noqa: SIM118  # no dict
    finally:
        box.close()


def _get_chunks(mails: Iterator[bytes] | list[bytes], reading: Reading) -> Iterator[Chunk]:
    rows: list[Numbered] = []
    count = 0
    cut = False
    for number, data in enumerate(mails, 1):
        mail = email.message_from_bytes(data, policy=email.policy.default)
        text = _get_text(mail)
        own = QUOTED.sub("", "\n" + re.sub(r"(?m)^>.*\n?", "", ABOVE.sub("\n", f"\n{text}"))).strip()
        if mail["from"] is None:
            continue
        cut = cut or own != text.strip()
        count += 1
        name, address = email.utils.parseaddr(str(mail["from"]))
        subject = REPLY.sub("", str(mail["subject"] or "")).strip()
        first = str(mail["references"] or mail["in-reply-to"] or mail["message-id"] or subject).split()
        row = {
            "time": _get_time(mail),
            "speaker": name or address,
            "text": own,
            "thread": first[0] if first else subject,
            "subject": subject,
        }
        rows.append((number, row))
        if len(rows) >= limits.BATCH:
            yield Chunk(parse_rows, f"{reading.name}, mail", 1, rows, reading.split)
            rows = []
    if not count:
        raise GaslampError(f"{reading.title} holds no mail", "export it again as .mbox or .eml")
    if cut and QUOTES_NOTE not in reading.notes:  # once for a folder of .eml
        reading.notes.append(QUOTES_NOTE)
    yield Chunk(parse_rows, f"{reading.name}, mail", 1, rows, reading.split)


def _get_text(mail: email.message.EmailMessage) -> str:
    """The words of a mail: its plain part, else its HTML without tags."""
    try:
        body = mail.get_body(("plain", "html"))
        text = body.get_content() if body else ""
    except (LookupError, KeyError, UnicodeError):
        return ""
    if body is not None and body.get_content_type() == "text/html":
        text = re.sub(r"(?is)<(style|script|head|blockquote)\b.*?</\1>", "", text)  # quotes stand in blockquotes
        text = html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"(?i)<(br|/p|/div|/tr)[^>]*>", "\n", text)))
    return str(text).replace("\r\n", "\n")


def _get_time(mail: email.message.EmailMessage) -> str:
    try:
        return email.utils.parsedate_to_datetime(str(mail["date"])).isoformat()
    except (TypeError, ValueError):
        return ""
