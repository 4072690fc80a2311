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
from gaslamp.data.chat_marks import read_slack
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
        out.writestr("users.json", json.dumps([{"id": "U1", "name": "anna"}, {"id": "U2", "profile": {}}]))
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


def write_eml(folder: Path) -> Path:
    """A folder of single mails: the answer in HTML with a quote, and one below what it quotes."""
    (folder / "mails").mkdir()
    for day in range(DAYS):
        head = f"From: Anna <a@x.de>\nMessage-ID: <m{day}@x>\nDate: Wed, {10 + day} Jan 2024 09:00:00 +0000\n"
        (folder / "mails" / f"{day}a.eml").write_text(f"{head}\n{ask(day)}\n")
        head = f"From: Ben M. <b@x.de>\nIn-Reply-To: <m{day}@x>\nDate: Wed, {10 + day} Jan 2024 10:00:00 +0000\n"
        page = f"Left of {day},<br>two steps: up<blockquote>&gt; {ask(day)}</blockquote>"
        below = f"On Wed, 10 Jan 2024 at 09:00 Anna <a@x.de> wrote:\n> {ask(day)}\n\nLeft of {day},\ntwo steps: up\n"
        body = f"Content-Type: text/html\n\n{page}" if day % 2 else f"\n{below}"
        (folder / "mails" / f"{day}b.eml").write_text(head + body)
    return folder / "mails"


def write_messenger(folder: Path) -> Path:
    """Newest first, each byte of a letter as a letter; here the answer has none, so names carry one."""
    messages = [
        {"sender_name": name, "timestamp_ms": int(get_time(day, n).timestamp() * 1000), "content": text}
        for day in range(DAYS)
        for n, (name, text) in enumerate([("J\u00c3\u00b6rg", ask(day)), ("Ben M.", f"Left of {day},\ntwo steps: up")])
    ]
    data = {"participants": [{"name": "Ben M."}], "messages": messages[::-1], "title": "Ben M."}
    (folder / "message_1.json").write_text(json.dumps(data))
    return folder / "message_1.json"


def write_google(folder: Path) -> Path:
    messages = [
        {
            "creator": {"name": name, "email": "a@x.de", "user_type": "Human"},
            "created_date": f"Wednesday, January {10 + day}, 2024 at 2:0{n}:18\u202fPM UTC",
            "text": text,
        }
        for day in range(DAYS)
        for n, (name, text) in enumerate([("Anna", ask(day)), ("Ben M.", f"Left of {day},\ntwo steps: up")])
    ]
    (folder / "messages.json").write_text(json.dumps({"messages": messages}))
    return folder / "messages.json"


def write_table(folder: Path) -> Path:
    lines = ["CreateTime,talker,msg,kind"]
    for day in range(DAYS):
        lines += [f"2024-01-{10 + day} 09:00:00,Anna,{ask(day)},text"]
        lines += [f'2024-01-{10 + day} 09:01:00,Ben M.,"Left of {day},\ntwo steps: up",text']
    (folder / "chat.csv").write_text("\n".join(lines))
    return folder / "chat.csv"


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
        (write_eml, "read as mails: 16 messages are 8 conversations"),
        (write_messenger, "read as a chat of Messenger: 16 messages are 8 conversations"),
        (write_google, "read as a chat of Google Chat: 16 messages are 8 conversations"),
        (write_table, "read as a table of messages: 16 messages are 8 conversations, a new one after six hours of "
         "silence; left out: the column kind"),
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


LOCALES = {  # as phones of these languages write the time in front of a message
    "fi": "[10.1.2024 klo 14.08.18] ",
    "us": "1/13/24, 2:08\u202fPM - ",
    "es": "10/1/24, 2:08 p.\u00a0m. - ",
    "fr": "10/01/2024 \u00e0 14:08 - ",
    "ko": "2024\ub144 1\uc6d4 10\uc77c \uc624\ud6c4 2:08, ",
    "zh": "[2024/1/10 \u4e0b\u53482:08:18] ",
    "ar": "\u200f\u0661\u0660/\u0661/\u0662\u0660\u0662\u0664\u060c \u0662:\u0660\u0668 \u0645 - ",
    "sv": "2024-01-10 14:08 - ",
}


@pytest.mark.parametrize("locale", LOCALES)
def test_whatsapp_of_other_countries(tmp_path: Path, locale: str) -> None:
    """Times of every locale, what the program writes in place of media, marks of edited messages, captions."""
    at = LOCALES[locale]
    lines = []
    for n in range(4):
        lines += [f"{at}Anna: Where is hall {n}?", f"{at}\u202a+49 171\u202c: Left of {n} <This message was edited>"]
        lines += [f"{at}Anna: \u200eimmagine omessa", f"{at}Anna: <M\u00e9dias omis>"]
        lines += [f"{at}Anna: plan.pdf (Datei angeh\u00e4ngt)", "our plan"]
    (tmp_path / "chat.txt").write_text("\n".join(lines), encoding="utf-8")
    source = open_source(Config.model_validate({"data": {"source": str(tmp_path / "chat.txt")}}).data)
    rows = [row for chunk in source.chunks() for _, row in chunk.read([])]
    day = "2024-01-13" if locale == "us" else "2024-01-10"
    assert {row["time"] for row in rows} == {f"{day}T14:08:00"}
    assert [(row["speaker"], row["text"]) for row in rows[:3]] == [
        ("Anna", "Where is hall 0?"),
        ("+49 171", "Left of 0"),
        ("Anna", "our plan"),
    ]
    assert any("8 messages that are pictures" in note or "12 messages that are" in note for note in source.notes)


def read_text(file: Path, lines: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Speaker and text of each message of a chat, and what was said about the file."""
    file.write_text("\n".join(lines), encoding="utf-8")
    source = open_source(Config.model_validate({"data": {"source": str(file)}}).data)
    rows = [row for chunk in source.chunks() for _, row in chunk.read([])]
    return [(row["speaker"], row["text"]) for row in rows], source.notes


@pytest.mark.parametrize(
    ("name", "is_named"),
    [("Team: Anna", True), ("Dr. med.: Ben", True), ("Anna :)", False), ("12:30 club", False), ("Ben :D", False)],
)
def test_names_with_a_colon_are_whole(tmp_path: Path, name: str, is_named: bool) -> None:
    """A name was cut at its colon, and the rest of it learnt as the beginning of each message."""
    at = "10.01.24, 09:00 - "
    lines = [f"{at}Cleo created this group"]
    for n in range(3):
        lines += [f"{at}Cleo: note: hall {n}?", f"{at}Cleo: see https://x.de/{n}", f"{at}{name}: Left: {n}, then up"]
        lines += [f"{at}{name}: <Media omitted>"]
    messages, notes = read_text(tmp_path / "chat.txt", lines)
    assert messages[:3] == [("Cleo", "note: hall 0?"), ("Cleo", "see https://x.de/0"), (name, "Left: 0, then up")]
    assert {speaker for speaker, _ in messages} == {"Cleo", name} and len(messages) == 9
    assert (f"chat.txt: names with a colon: {name}" in notes) is is_named


@pytest.mark.parametrize(
    ("head", "answer", "votes"),
    [
        ("\u200ePOLL:", "\u200eOPTION", "({} votes)"),
        ("POLL:", "OPTION", "({} votes)"),
        ("\u200eUMFRAGE:", "\u200eOPTION", "({} Stimmen)"),
        ("\u200eENCUESTA:", "\u200eOPCI\u00d3N", "({} votos)"),
        ("\u200eSONDAGE\u202f:", "\u200eOPTION\u202f", "({} votes)"),
        ("\u200e\u6295\u7968\uff1a", "\u200e\u9009\u9879", "\uff08{} \u7968\uff09"),
    ],
)
def test_polls_are_left_out(tmp_path: Path, head: str, answer: str, votes: str) -> None:
    """Their answers and counts were learnt as what a person said."""
    at = "[10.01.24, 09:00:00] "
    lines = []
    for n in range(3):
        lines += [f"{at}Anna: Where is hall {n}?", f"{at}Ben: {head}", "Which day?"]
        lines += [f"{answer}: {day} {votes.format(n)}" for day in ("Friday", "Monday: late")]
        lines += [f"{at}Ben: Left, then up\nOption: two (2 ways)"]
    messages, notes = read_text(tmp_path / "chat.txt", lines)
    assert messages == [
        message
        for n in range(3)
        for message in (("Anna", f"Where is hall {n}?"), ("Ben", "Left, then up\nOption: two (2 ways)"))
    ]
    assert "chat.txt: left out: 3 messages that are polls" in notes and not any("pictures" in note for note in notes)


@pytest.mark.parametrize(
    ("head", "day", "at", "sticker"),
    [
        ("[LINE] Chat history with Anna", "2024/01/10(Wed)", "14:08", "[Sticker]"),
        ("[LINE] \u30a2\u30f3\u30ca", "2024/1/10(\u6c34)", "\u5348\u5f8c2:08", "[\u30b9\u30bf\u30f3\u30d7]"),
        ("[LINE] Chat history with Anna", "Wed, 1/10/2024", "2:08 PM", "\u260e Call time 1:23"),
        ("[LINE] Chat", "2024.01.10 Wednesday", "PM 2:08", "[Photo]"),
    ],
)
def test_chats_of_line(tmp_path: Path, head: str, day: str, at: str, sticker: str) -> None:
    lines = [head, "Saved on: 2024/01/20 10:00", "", day]
    for n in range(3):
        lines += [
            f"{at}\tAnna\tWhere is: hall {n}?",
            f'{at}\tBen\t"Left of {n},',
            'then \u201cup\u201d"',
            f"{at}\tBen joined",
        ]
        lines += [f"{at}\tBen\t{sticker}", f'{at}\tAnna\t"ok" then', ""]
    (tmp_path / "chat.txt").write_text("\n".join(lines), encoding="utf-8")
    source = open_source(Config.model_validate({"data": {"source": str(tmp_path / "chat.txt")}}).data)
    rows = [row for chunk in source.chunks() for _, row in chunk.read([])]
    assert [(row["speaker"], row["text"]) for row in rows] == [
        message
        for n in range(3)
        for message in (
            ("Anna", f"Where is: hall {n}?"),
            ("Ben", f"Left of {n},\nthen \u201cup\u201d"),
            ("Anna", '"ok" then'),
        )
    ]
    assert {row["time"] for row in rows} == {"2024-01-10T14:08:00"}
    assert "chat.txt: left out: 3 messages that are stickers, pictures or calls" in source.notes


def test_chats_of_line_from_windows(tmp_path: Path) -> None:
    """Only blanks stand between time, name and message: it was running text."""
    said = ["Where is hall 1?", "and now, at", "12:30 or so", "No", "See you", "Thanks a lot", "ok", "Ann Lee says hi"]
    lines = ["2024.01.10 Wednesday"]
    for number, text in enumerate(said):
        lines += [
            f"14:{number:02} Ann Lee {text}",
            f"14:{number:02} \u5c71\u7530 {text}!",
            "",
            "2024.01.11 Thursday",
        ]
    lines[-1] = "14:09 Ann Lee [Sticker]"
    (tmp_path / "chat.txt").write_text("\n".join(lines), encoding="utf-8")
    source = open_source(Config.model_validate({"data": {"source": str(tmp_path / "chat.txt")}}).data)
    rows = [row for chunk in source.chunks() for _, row in chunk.read([])]
    assert [(row["speaker"], row["text"]) for row in rows] == [
        message for text in said for message in (("Ann Lee", text), ("\u5c71\u7530", f"{text}!"))
    ]
    assert any("the names are Ann Lee, \u5c71\u7530" in note for note in source.notes)


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


def test_a_message_in_each_row(tmp_path: Path) -> None:
    """Roles without a number of a conversation were learnt as the class of each text."""
    lines = [json.dumps({"role": role, "content": f"{role} {n}"}) for n in range(70) for role in ("user", "assistant")]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    source = open_source(Config.model_validate({"data": {"source": str(tmp_path / "rows.jsonl")}}).data)
    rows = read_sample(source, [])
    assert [len(row["messages"]) for row in rows] == [60, 60, 20]
    assert decide(rows, kinds=("conversation",)).certain
    assert source.notes == [
        "read as a table of messages: 140 messages are 3 conversations, a new one after 60 messages, as no column says "
        "where one ends"
    ]


def test_marks_of_slack() -> None:
    text = "Hi <@U1>, <@U2|ben>: see <https://x.de/a|this page>, <#C1|help>, <!here> &amp; 2 &lt; 3"
    assert read_slack(text, {"U1": "Anna"}) == "Hi @Anna, @ben: see this page (https://x.de/a), #help, @here & 2 < 3"


def test_names_of_slack_come_from_its_list_of_users(tmp_path: Path) -> None:
    """The speakers to choose from were U1 and U2, and so were those that a message names."""
    users = [
        {"id": "U1", "name": "anna", "profile": {"display_name": "", "real_name": "Anna K."}},
        {"id": "U2", "name": "ben", "real_name": "Ben M."},
        {"id": "U3", "name": "cleo"},
    ]
    (tmp_path / "help").mkdir()
    (tmp_path / "users.json").write_text(json.dumps(users))
    (tmp_path / "channels.json").write_text("[]")
    for day in range(DAYS):
        at = get_time(day).timestamp()
        rows = [
            {"type": "message", "user": user, "text": text, "ts": f"{at + n:.6f}"}
            for n, (user, text) in enumerate((("U1", ask(day)), ("U2", "As <@U3> said: left"), ("U9", "ok")))
        ]
        (tmp_path / "help" / f"{get_time(day).date()}.json").write_text(json.dumps(rows))
    source = open_source(Config.model_validate({"data": {"source": str(tmp_path)}}).data)
    rows = read_sample(source, [])
    assert [(turn["from"], turn["value"]) for turn in rows[0]["messages"]] == [
        ("Anna K.", ask(0)),
        ("Ben M.", "As @cleo said: left"),
        ("U9", "ok"),
    ]
