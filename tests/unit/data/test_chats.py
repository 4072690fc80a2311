"""Exports of chats and mails become conversations, and who of the speakers is the assistant is a question."""

from __future__ import annotations

import datetime
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.schema import Config
from gaslamp.core import registry
from gaslamp.data.meaning import decide
from gaslamp.data.peek import read_sample
from gaslamp.data.rows import LeftOut
from gaslamp.data.sources import open_source
from gaslamp.data.speakers import read_named

DAYS = 8
Write = Callable[[Path], Path]


def get_time(day: int, minute: int = 0) -> datetime.datetime:
    return datetime.datetime(2024, 1, 10 + day, 9, minute, tzinfo=datetime.UTC)


def ask(day: int) -> str:
    return f"Where is hall {day}?"


def write_whatsapp(folder: Path) -> Path:
    lines = ["10.01.24, 08:59 - Messages and calls are end-to-end encrypted."]
    for day in range(DAYS):
        date = f"{10 + day}.01.24"
        lines += [f"{date}, 09:00 - Anna: {ask(day)}", f"{date}, 09:01 - Anna: <Media omitted>"]
        lines += [f"{date}, 09:02 - Ben M.: Left of {day},", "two steps: up", f"{date}, 09:03 - Anna: Thanks {day}!"]
    (folder / "chat.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder / "chat.txt"


def write_ios(folder: Path) -> Path:
    lines = []
    for day in range(DAYS):
        date = f"[1/{13 + day}/24, 9:00:1{day}\u202fPM]"
        lines += [f"\u200e{date} Anna: {ask(day)}", f"{date} Ben M.: Left of {day},\ntwo steps: up"]
    (folder / "_chat.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder / "_chat.txt"


def write_telegram(folder: Path) -> Path:
    messages: list[dict[str, Any]] = []
    for day in range(DAYS):
        texts = [
            ("Anna", ["Where is ", {"type": "bold", "text": f"hall {day}?"}]),
            ("Ben M.", f"Left of {day},\ntwo steps: up"),
        ]
        messages += [
            {"id": day, "type": "message", "date": get_time(day, n).isoformat()[:19], "from": name, "text": text}
            for n, (name, text) in enumerate(texts)
        ]
        messages.append(
            {"id": 9, "type": "service", "date": get_time(day).isoformat()[:19], "actor": "Ben", "text": ""}
        )
    (folder / "result.json").write_text(
        json.dumps({"name": "Anna", "type": "personal_chat", "id": 1, "messages": messages})
    )
    return folder / "result.json"


def write_discord(folder: Path) -> Path:
    messages = [
        {"id": "1", "type": "Default", "timestamp": get_time(day, n).isoformat(), "content": text, "author": author}
        for day in range(DAYS)
        for n, (author, text) in enumerate(
            [
                ({"id": "7", "name": "anna_1", "nickname": "Anna", "isBot": False}, ask(day)),
                ({"id": "8", "name": "Ben M.", "nickname": "Ben M.", "isBot": True}, f"Left of {day},\ntwo steps: up"),
            ]
        )
    ]
    data = {"guild": {"id": "1"}, "channel": {"id": "2", "name": "help"}, "messages": messages, "messageCount": 16}
    (folder / "help.json").write_text(json.dumps(data))
    return folder / "help.json"


def write_discord_table(folder: Path) -> Path:
    lines = ["AuthorID,Author,Date,Content,Attachments,Reactions"]
    for day in range(DAYS):
        date = get_time(day).strftime("%d-%b-%y %I:%M %p")
        lines += [f"7,Anna,{date},{ask(day)},,", f'8,Ben M.,{date},"Left of {day},\ntwo steps: up",,']
    (folder / "help.csv").write_text("\n".join(lines))
    return folder / "help.csv"


def write_slack(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "slack.zip", "w") as out:
        out.writestr("users.json", json.dumps([{"id": "U1", "name": "anna"}]))
        out.writestr("channels.json", json.dumps([{"id": "C1", "name": "help"}]))
        for day in range(DAYS):
            at = get_time(day).timestamp()
            rows: list[dict[str, Any]] = [
                {"type": "message", "subtype": "channel_join", "user": "U3", "text": "has joined", "ts": f"{at:.6f}"},
                {"type": "message", "user": "U1", "text": ask(day), "ts": f"{at + 1:.6f}"},
                {"type": "message", "user": "U2", "text": f"Left of {day},\ntwo steps: up", "ts": f"{at + 2:.6f}"},
            ]
            rows[2]["user_profile"] = {"real_name": "Ben M.", "display_name": ""}
            out.writestr(f"help/{get_time(day).date()}.json", json.dumps(rows))
    return folder / "slack.zip"


def write_mbox(folder: Path) -> Path:
    mails = ""
    for day in range(DAYS):
        head = f"Date: Wed, {10 + day} Jan 2024 09:00:00 +0000\nContent-Type: text/plain; charset=utf-8\n"
        mails += f"From a Wed Jan 10 09:00:00 2024\nFrom: Anna <a@x.de>\nSubject: Hall\nMessage-ID: <m{day}@x>\n"
        mails += f"{head}\n{ask(day)}\n\n"
        mails += (
            f"From b Wed Jan 10 10:00:00 2024\nFrom: Ben M. <b@x.de>\nSubject: Re: Hall\nMessage-ID: <r{day}@x>\n"
            f"In-Reply-To: <m{day}@x>\n{head.replace('09:', '10:', 1)}\nLeft of {day},\ntwo steps: up\n\n"
            f"On Wed, Jan 10, 2024 at 9:00 AM Anna <a@x.de> wrote:\n> {ask(day)}\n\n-- \nBen\n\n"
        )
    (folder / "help.mbox").write_text(mails)
    return folder / "help.mbox"


def write_named(folder: Path) -> Path:
    rows = [
        {
            "conversations": [
                {"from": "Anna", "value": ask(day)},
                {"from": "Ben M.", "value": f"Left of {day},\ntwo steps: up"},
            ]
        }
        for day in range(DAYS)
    ]
    (folder / "named.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder / "named.jsonl"


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (write_whatsapp, "read as a chat: 24 messages are 8 conversations, a new one after six hours of silence"),
        (write_ios, "read as a chat: 16 messages are 8 conversations"),
        (write_telegram, "read as a chat of Telegram: 16 messages are 8 conversations, a new one after six hours of "
         "silence; left out: 8 rows without a text or a speaker"),
        (write_discord, "read as a chat of Discord's JSON: 16 messages are 8 conversations"),
        (write_discord_table, "read as a chat of Discord: 16 messages are 8 conversations"),
        (write_slack, "read as a chat of Slack: 16 messages are 8 conversations"),
        (write_mbox, "read as mails: 16 messages are 8 conversations"),
        (write_named, ""),
    ],
)  # fmt: skip
def test_exports_become_conversations(tmp_path: Path, write: Write, said: str) -> None:
    """Each day is a conversation; Ben's answer is learnt when the person says that Ben is the assistant."""
    source = open_source(Config.model_validate({"data": {"source": str(write(tmp_path))}}).data)
    rows = read_sample(source, [])
    assert len(rows) == DAYS and (not said or any(note.startswith(said) for note in source.notes)), source.notes
    meaning = decide(rows, kinds=("conversation",))
    assert not meaning.certain and "answers of Ben M." in [reading.key for reading in meaning.readings]
    picked = decide(rows, kinds=("conversation",), pick="answers of Ben M.").reading
    assert picked.mapping["answers_of"] == "Ben M."
    convert = registry.get("formats", picked.format).convert
    assert [convert(row, picked.mapping)["messages"] for row in rows] == [
        [
            {"role": "user", "content": ask(day)},
            {"role": "assistant", "content": f"Left of {day},\ntwo steps: up"},
        ]
        for day in range(DAYS)
    ]


def test_several_people_and_nobody_who_answers() -> None:
    turns = [
        {"from": name, "value": text}
        for name, text in (("Ben", "Hi"), ("Ann", "a"), ("Cid", "b"), ("Ben", "c"), ("Ann", "d"))
    ]
    assert read_named(turns, "messages", "Ben") == [
        {"role": "user", "content": "Ann: a\nCid: b"},
        {"role": "assistant", "content": "c"},
    ]
    with pytest.raises(LeftOut, match="Dora answers nobody"):
        read_named(turns, "messages", "Dora")


def test_tables_of_posts_are_no_chats(tmp_path: Path) -> None:
    lines = [
        "author,date,text,label",
        *(f"a{n % 3},2024-01-0{1 + n % 9},A review number {n} of it,{n % 2}" for n in range(12)),
    ]
    (tmp_path / "posts.csv").write_text("\n".join(lines))
    source = open_source(Config.model_validate({"data": {"source": str(tmp_path / "posts.csv")}}).data)
    assert len(read_sample(source, [])) == 12 and source.notes == []
