"""Answers that repeat themselves, with what is kept of them, and answers that do not: for both chats."""

from __future__ import annotations

REPEATED = [
    ("The answer is: " + "I am sorry. " * 60, "The answer is: I am sorry. I am sorry."),
    ("x" * 400, "xx"),
    ("Start. " + ("0123456789" * 20 + "\n") * 6, "Start. " + ("0123456789" * 20 + "\n") * 2),
    ("a" + "né🙂" * 200, "a" + "né🙂" * 2),
]
KEPT = [
    "",
    "ok",
    "-" * 399,
    "The same sentence. " * 20,  # 380 characters
    "".join(f"{number}. The same sentence with another number.\n" for number in range(100)),
    "word " * 100 + "and then something new",
]
