"""Ten real tasks with small data files: what a person would bring to the interview."""

from __future__ import annotations

import csv
import json
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]


def write_jsonl(file: Path, rows: Rows) -> Path:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return file


def write_csv(file: Path, rows: Rows) -> Path:
    with file.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


def write_png(file: Path) -> None:
    """A grey picture of 8 x 8 points."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + b"\x80" * 8 for _ in range(8)))
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def make_mails(folder: Path) -> Path:
    draw = random.Random(1)
    bodies = {
        "Billing": "I was charged twice for my order and want the money back",
        "Delivery": "My parcel has not come although it was sent two weeks ago",
        "Returns": "I want to send the shoes back because they are too small",
    }
    rows = []
    for number in range(120):
        label = draw.choice(list(bodies))
        rows.append(
            {
                "Date": f"2026-03-{number % 28 + 1:02}",
                "From": f"c{number}@example.org",
                "Subject": draw.choice(["Question", "Please help", "Second try"]),
                "Body": f"Hello, {bodies[label]}. My number is {1000 + number}.",
                "Category": label,
            }
        )
    return write_csv(folder / "mails.csv", rows)


def make_medical(folder: Path) -> Path:
    rows = [
        {
            "Frage": f"Wie oft darf ich bei Fieber {number} mg von dem Mittel nehmen, und was ist mit Kindern?",
            "Antwort": f"Erwachsene nehmen höchstens {number} mg alle sechs Stunden. Bei Kindern richtet sich die "
            "Menge nach dem Gewicht; bitte fragen Sie die Ärztin oder den Arzt, wenn das Fieber nicht sinkt.",
        }
        for number in range(200, 280)
    ]
    return write_jsonl(folder / "fragen.jsonl", rows)


def make_thumbs(folder: Path) -> Path:
    rows = [
        {
            "prompt": f"How do I reset the device number {number}?",
            "completion": f"Hold the button for {number} seconds until the light blinks." if number % 3 else "No idea.",
            "label": bool(number % 3),
        }
        for number in range(90)
    ]
    return write_jsonl(folder / "thumbs.jsonl", rows)


def make_maths(folder: Path) -> Path:
    rows = [
        {"problem": f"Ana has {a} apples and buys {a + 3} more. How many are there?", "ground_truth": str(2 * a + 3)}
        for a in range(80)
    ]
    return write_jsonl(folder / "maths.jsonl", rows)


def make_receipts(folder: Path) -> Path:
    (folder / "receipts").mkdir()
    rows = []
    for number in range(40):
        write_png(folder / "receipts" / f"{number}.png")
        rows.append(
            {
                "image": f"{number}.png",
                "question": "What are shop and total?",
                "answer": json.dumps({"shop": f"Market {number % 7}", "total": f"{number}.50"}),
            }
        )
    write_jsonl(folder / "receipts" / "receipts.jsonl", rows)
    return folder / "receipts"


def make_translations(folder: Path) -> Path:
    rows = [
        {
            "en": f"The meeting in room {number} begins at nine, so please come in time.",
            "de": f"Die Besprechung in Raum {number} beginnt um neun, kommen Sie also bitte pünktlich.",
        }
        for number in range(80)
    ]
    return write_csv(folder / "pairs.csv", rows)


def make_docstrings(folder: Path) -> Path:
    rows = [
        {
            "code": f"def add_{number}(value: int) -> int:\n    return value + {number}\n",
            "docstring": f"Return the value plus {number}, as a whole number.",
        }
        for number in range(80)
    ]
    return write_jsonl(folder / "functions.jsonl", rows)


def make_products(folder: Path) -> Path:
    rows = [
        {
            "facts": f"oak table, {number} cm long, oiled, made in the workshop in Leeds",
            "text": f"A table for long evenings: {number} centimetres of oiled oak, made by hand in our workshop in "
            "Leeds, and ready for everything that the family puts on it.",
        }
        for number in range(100, 180)
    ]
    return write_csv(folder / "products.csv", rows)


def make_notes(folder: Path) -> Path:
    talk = "Then the team talked about the budget of the spring and who will write to the customers. "
    rows = [
        {
            "transcript": f"Meeting {number}. " + talk * 90,
            "summary": f"Meeting {number}: the budget of the spring was agreed, and Kim writes to the customers.",
        }
        for number in range(60)
    ]
    return write_jsonl(folder / "meetings.jsonl", rows)


def make_faq(folder: Path) -> Path:
    rows = [
        {
            "anchor": f"Where can I see invoice {number}?",
            "positive": f"Invoice {number} is in your account under Orders, as a file to download.",
        }
        for number in range(80)
    ]
    return write_jsonl(folder / "faq.jsonl", rows)


Case = tuple[str, Callable[[Path], Path], dict[str, Any]]
TASKS: dict[str, Case] = {
    "mails": (
        "mail sorter: sort support mails into our categories, for the support team",
        make_mails,
        {
            "columns": "prompt = Subject + Body, completion = Category",
            "method": "sft",
            "metric": "classification, normalized_match",
            "theme": "support",
            "language": "English",
            "demo language": "en",
        },
    ),
    "medical": (
        "Medizinische Fragen von Patienten auf Deutsch beantworten",
        make_medical,
        {
            "columns": "prompt = Frage, completion = Antwort",
            "method": "sft",
            "metric": "token_f1, chrf, exact_match",
            "theme": "health",
            "language": "German",
            "demo language": "de",
        },
    ),
    "thumbs": (
        "answer questions about our devices better, from thumbs up and down of customers",
        make_thumbs,
        {
            "columns": "prompt, completion, label",
            "method": "kto",
            "metric": "preference_margin, length",
            "theme": "support",
            "language": "English",
        },
    ),
    "maths": (
        "solve maths word problems for pupils",
        make_maths,
        {
            "columns": "prompt = problem, answer = ground_truth",
            "method": "grpo",
            "reward": "exact_answer",
            "metric": "mean_reward, numeric, exact_match, length",
            "theme": "education",
            "language": "English",
        },
    ),
    "receipts": (
        "read shop and total from pictures of receipts for our accounting",
        make_receipts,
        {
            "columns": "images = image, answer, question",
            "method": "vision_sft",
            "metric": "json_fields, json_match, character_error_rate",
            "theme": "finance",
            "language": "English",
        },
    ),
    "translations": (
        "translate office mail from English into German",
        make_translations,
        {
            "columns": "prompt = en, completion = de",
            "method": "sft",
            "metric": "chrf, bleu",
            "theme": "general",
            "language": "German",
            "demo language": "de",
        },
    ),
    "docstrings": (
        "write docstrings for Python functions, for our programmers",
        make_docstrings,
        {
            "columns": "prompt = code, completion = docstring",
            "method": "sft",
            "metric": "token_f1, chrf, exact_match",
            "theme": "code",
            "language": "English",
        },
    ),
    "products": (
        "write product texts in our house style",
        make_products,
        {
            "columns": "prompt = facts, completion = text",
            "method": "sft",
            "metric": "token_f1, chrf, exact_match",
            "theme": "general",
            "language": "English",
        },
    ),
    "notes": (
        "summarize transcripts of meetings into meeting notes",
        make_notes,
        {
            "columns": "prompt = transcript, completion = summary",
            "method": "sft",
            "metric": "rouge, chrf, token_f1",
            "theme": "general",
            "language": "English",
        },
    ),
    "faq": (
        "search our FAQ: find the entry that answers a question of a customer",
        make_faq,
        {
            "columns": "anchor, positive",
            "method": "embedding",
            "metric": "retrieval, mean_reciprocal_rank",
            "deploy": "gguf",
            "theme": "support",
            "language": "English",
        },
    ),
}
"""Name -> the task, what makes its data, and lines of the plan that are right for it."""
