"""Named checks of the data: each finds what it is for, names the place, and leaves good rows alone."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data import mojibake
from gaslamp.data.checking import KEPT, Facts, Finding, Sample, get_messages, load_checks, run_checks, stop_on_blocks
from gaslamp.data.near import find_twins, get_near_text, get_signatures
from gaslamp.data.privacy import find_personal, find_secrets, redact, redact_row

KIND_OF_SET = {
    "replies_preference": "preference",
    "replies_rating": "rating",
    "sums_prompts": "prompt",
    "islands_text": "text",
    "help_pairs": "pair",
}


def talk(*turns: str) -> dict[str, Any]:
    """A conversation from ``role:text`` words."""
    return {"messages": [dict(zip(("role", "content"), turn.split(":", 1), strict=True)) for turn in turns]}


def find(name: str, rows: list[Any], kind: str = "conversation", **values: Any) -> list[Finding]:
    """What the check ``name`` finds in rows (dicts, or finished samples)."""
    module = registry.get("checks", name)
    samples = [
        row if isinstance(row, Sample) else Sample(f"row {number}", row, "train") for number, row in enumerate(rows, 1)
    ]
    options = {**getattr(module, "OPTIONS", {}), **values.pop("options", {})}
    return list(module.check(samples, Facts(kind, "sft", values.pop("max_length", 512), options, **values)))


def get_rows(name: str) -> list[tuple[dict[str, Any], str]]:
    """The rows of an embedded set as the formats make them, with their splits."""
    rows = []
    for row in registry.get("embedded", name).generate():
        roles = {"prompt": "user", "chosen": "assistant", "rejected": "assistant", "completion": "assistant"}
        rows.append(
            (
                {
                    key: [{"role": roles[key], "content": value}] if key in roles else value
                    for key, value in row.items()
                },
                row["split"],
            )
        )
    return rows


# ----------------------------------------------------------------------------------------------------------- turns


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (talk("user:q", "assistant: "), "empty assistant turn"),
        (talk("user:\u2003", "assistant:a"), "empty user turn"),
        ({"text": " \n"}, "empty text"),
        ({"anchor": "a", "positive": ""}, "empty positive"),
        (
            {
                "prompt": talk("user:q")["messages"],
                "chosen": talk("assistant:a")["messages"],
                "rejected": talk("assistant:")["messages"],
            },
            "empty assistant turn",
        ),
    ],
)
def test_empty_turns(row: dict[str, Any], text: str) -> None:
    found = find("empty_turns", [talk("system:", "user:q", "assistant:a"), row])
    assert [finding.place for finding in found] == ["row 2"] and text in found[0].text


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (talk("user:a", "user:b", "assistant:c"), "turn 2 is of user, but assistant should follow"),
        (talk("assistant:a", "user:b"), "turn 1 is of assistant"),
        (talk("user:a"), "the last turn must be of assistant"),
        (talk("user:a", "assistant:b", "system:c"), "turn 3 is of system"),
        (talk("user:a", "judge:b"), "unknown role judge"),
        (talk("user:a", "tool:b", "assistant:c"), "tool that nobody called"),
        (talk("system:a"), "there is no turn"),
        ({"messages": []}, "there is no turn"),
        (
            {
                "prompt": talk("user:a", "assistant:b")["messages"],
                "completion": talk("assistant:c")["messages"],
                "label": True,
            },
            "must be of user",
        ),
        (
            {
                "prompt": talk("user:a")["messages"],
                "chosen": talk("assistant:c")["messages"],
                "rejected": talk("user:d")["messages"],
            },
            "rejected: turn 1",
        ),
    ],
)
def test_role_order(row: dict[str, Any], text: str) -> None:
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}
    tools = {
        "messages": [
            {"role": "user", "content": "q"},
            call,
            {"role": "tool", "content": "1"},
            {"role": "tool", "content": "2"},
            {"role": "assistant", "content": "a"},
        ]
    }
    good = [
        talk("user:a", "assistant:b"),
        talk("system:s", "user:a", "assistant:b", "user:c", "assistant:d"),
        tools,
        {"text": "t"},
    ]
    assert find("role_order", good) == [] and find("empty_turns", good) == []
    found = find("role_order", [*good, row])
    assert [finding.place for finding in found] == ["row 5"] and text in found[0].text


def test_embedded_sets_have_no_finding() -> None:
    for name in registry.names("embedded"):
        rows = get_rows(name)
        samples = [Sample(f"row {number}", row, split) for number, (row, split) in enumerate(rows, 1)]
        checks = load_checks({})
        facts = Facts(KIND_OF_SET.get(name, "conversation"), "sft", 512)
        for stage in ("row", "set"):
            chosen = {
                key: check for key, check in checks.items() if key != "image_size"
            }  # its pictures are files only later
            run_checks(chosen, stage, samples, len(samples), facts)
        assert list(get_messages(checks)) == [] and not [check.name for check in checks.values() if check.blocks], name


# ------------------------------------------------------------------------------------------- answers that do not fit


def get_orders() -> list[tuple[str, str]]:
    """Questions and answers in whole sentences; an answer repeats what its question names."""
    draw, made = random.Random(4), []
    for n in range(120):
        name, town = draw.choice(WORDS), draw.choice(WORDS)
        question = f"Parcel {n * 37} of {name} was promised yesterday and is still in {town}. Where does it stay?"
        made.append((question, f"We are sorry, {name}: parcel {n * 37} leaves {town} tomorrow and arrives on Monday."))
    return made


WAYS: dict[str, Any] = {
    "prose": lambda text, n: text,
    "without full stops": lambda text, n: text.rstrip("."),
    "half of them without full stops": lambda text, n: text.rstrip(".") if n % 2 else text,
    "JSON": lambda text, n: json.dumps({"says": text, "row": [n, {"a": None}]}),
    "one-word answers": lambda text, n: text.split()[3],
    "lists": lambda text, n: "- one parcel\n- " + "\n- ".join(text.rstrip(".").split()[3:6]),
    "code": lambda text, n: f"```python\nparcel = {n}\nprint(parcel, end='a')\n```",
    "equal lengths": lambda text, n: f"{text[:60]:x<99}.",
}
CUTS: dict[str, tuple[Any, str]] = {
    "half of each second": (lambda text, n: text[: len(text) // 2] if n % 2 else text, "in the middle of"),
    "between words": (lambda text, n: " ".join(text.split()[: 7 + n % 5]) if n % 2 else text, "middle of a sentence"),
    "a limit on the cell": (lambda text, n: (text if n % 2 else f"{text} {text}")[:99], "at 99 characters"),
    "JSON": (lambda text, n: json.dumps({"says": text, "rows": [n, 1]})[: 60 if n % 4 else None], "middle of JSON"),
    "code": (lambda text, n: f"```python\nparcel = {n}\nprint(" + ("" if n % 3 else "1)\n```"), "in a block of code"),
    "brackets": (lambda text, n: f"{text} (see {text[:9]}" if n % 4 == 0 else text, "in brackets"),
}


@pytest.mark.parametrize("way", WAYS)
def test_answers_that_end_in_their_own_way_do_not_break_off(way: str) -> None:
    rows = [
        talk(f"user:{question}", f"assistant:{WAYS[way](said, n)}") for n, (question, said) in enumerate(get_orders())
    ]
    assert find("broken_off", rows) == []
    few = [*rows[:117], *(talk(f"user:q{n}", "assistant:we are sor") for n in range(3))]
    assert find("broken_off", few) == [], "three of 120 are typing errors"


@pytest.mark.parametrize("way", CUTS)
def test_answers_that_break_off_are_named_with_their_rows(way: str) -> None:
    cut, words = CUTS[way]
    orders = get_orders()
    texts = [cut(said, n) for n, (_, said) in enumerate(orders)]
    rows = [talk(f"user:{question}", f"assistant:{text}") for (question, _), text in zip(orders, texts, strict=True)]
    found = find("broken_off", rows)
    whole = {f"row {n + 1}" for n, text in enumerate(texts) if text.rstrip().endswith((".", "}", "`"))}
    assert len(found) >= 0.8 * (len(rows) - len(whole)) and not {finding.place for finding in found} & whole
    assert any(words in finding.text for finding in found), found[0].text
    assert find("broken_off", [talk("user:q", "assistant:a")] * 3) == []


def test_answers_of_other_rows_are_named_by_how_far_they_moved() -> None:
    question, said = ([pair[n] for pair in get_orders()] for n in (0, 1))
    shuffled = random.Random(2).sample(said, len(said))

    def look(question: list[str], said: list[str]) -> list[Finding]:
        rows = [talk(f"user:{q}", f"assistant:{a}") for q, a in zip(question, said, strict=True)]
        return find("mismatched", rows)

    for one, other in ((question, shuffled), (question, sorted(said)), (shuffled, question)):
        (finding,) = look(one, other)
        assert "of 120 answers fit the prompt of another row" in finding.text and "stand" not in finding.text
    (finding,) = look(question, said[-1:] + said[:-1])
    assert "120 of 120 answers" in finding.text and "most stand 1 row below their prompt" in finding.text
    assert finding.text.endswith("that of row 1 fits row 120")
    (finding,) = look(question, said[2:] + said[:2])
    assert "most stand 2 rows above their prompt" in finding.text
    healthy = {
        "in order": (question, said),
        "a class": (question, [("late", "lost")[n % 2] for n in range(120)]),
        "nothing in common": (question, [" ".join(WORDS[n % 5 :: 7]).upper()[::-1] for n in range(120)]),
        "translations both ways": (question + said, said + question),
        "a talk that goes on": (said[:-1], said[1:]),
    }
    for name, (one, other) in healthy.items():
        assert look(one, other) == [], name


FRAMES: dict[str, tuple[str, Any, Any, str]] = {
    "keys": ("answer_ids", lambda n: talk(f"user:q{n}", f"assistant:{n * 7919:08x}ab"), None, "they are keys"),
    "row numbers": ("answer_ids", lambda n: talk(f"user:q{n * 9 % 7}", f"assistant:{n + 4}"), None, "count up"),
    "row numbers, some left out": (
        "answer_ids",
        lambda n: talk("user:q", f"assistant:ORD-{n + n // 4:05}"),
        None,
        "count",
    ),
    "a label after its name": (
        "label_in_prompt",
        lambda n: talk(f"user:title {n}, label: {n % 2}", f"assistant:{n % 2}"),
        None,
        "80 of 80 prompts name the label of their row, and 0 another one: '0' in row 1",
    ),
    "the label as a word": (
        "label_in_prompt",
        lambda n: talk(f"user:{['Spam', 'ham'][n % 2]} | letter {n}", f"assistant:{['spam', 'ham'][n % 2]}"),
        None,
        "80 of 80",
    ),
    "a system prompt in training": (
        "unlike_test",
        lambda n: talk("system:be short", f"user:q{n}", f"assistant:a{n}"),
        lambda n: talk(f"user:q{n}", f"assistant:a{n}"),
        "100 % of the training rows have a system prompt and 0 % of the test rows",
    ),
    "another system prompt": (
        "unlike_test",
        lambda n: talk("system:be short", f"user:q{n}", f"assistant:a{n}"),
        lambda n: talk("system:be long", f"user:q{n}", f"assistant:a{n}"),
        "no training row has their system prompt: 'be long'",
    ),
    "tools in the test": (
        "unlike_test",
        lambda n: talk(f"user:q{n}", f"assistant:a{n}"),
        lambda n: talk(f"user:q{n}", f"assistant:a{n}") | {"tools": [{"type": "function"}]},
        "0 % of the training rows have tools and 100 % of the test rows",
    ),
}
SOUND: dict[str, tuple[str, Any]] = {
    "ids that stand in the prompt": ("answer_ids", lambda n: talk(f"user:order {n} is late", f"assistant:{n}")),
    "the number of the prompt": ("answer_ids", lambda n: talk(f"user:q{n}", f"assistant:a{n}")),
    "sums": ("answer_ids", lambda n: talk(f"user:{n} * 7 + 2", f"assistant:{n * 7 + 2}")),
    "counts": ("answer_ids", lambda n: talk(f"user:letters of x{n}", f"assistant:{n * n % 11}")),
    "words": ("answer_ids", lambda n: talk(f"user:q{n}", f"assistant:w{n * n}x")),
    "all labels are listed": (
        "label_in_prompt",
        lambda n: talk(f"user:spam or ham? {n}", f"assistant:{['spam', 'ham'][n % 2]}"),
    ),
    "numbers as classes": ("label_in_prompt", lambda n: talk(f"user:row {n % 2}, text {n}", f"assistant:{n % 2}")),
    "one class names itself": (
        "label_in_prompt",
        lambda n: talk(
            f"user:{['a refund, please', 'where is it'][n % 2]} {n}", f"assistant:{['refund', 'delivery'][n % 2]}"
        ),
    ),
    "some system prompts": (
        "unlike_test",
        lambda n: talk(*["system:be short"] * (n % 3 == 0), f"user:q{n}", f"assistant:a{n}"),
    ),
    "a system prompt for each row": (
        "unlike_test",
        lambda n: talk(f"system:you are {n}", f"user:q{n}", f"assistant:a{n}"),
    ),
}


@pytest.mark.parametrize("name", FRAMES)
def test_rows_that_teach_the_wrong_thing_are_named(name: str) -> None:
    check, train, test, words = FRAMES[name]
    samples = [
        Sample(f"row {n + 1}", (test or train)(n) if n >= 80 else train(n), "test" if n >= 80 else "train")
        for n in range(100)
    ]
    (finding,) = find(check, samples)
    assert words in finding.text
    assert find(check, samples[:9] + samples[-9:]) == [], "few rows say nothing"


@pytest.mark.parametrize("name", SOUND)
def test_sound_rows_are_left_alone(name: str) -> None:
    check, make = SOUND[name]
    samples = [Sample(f"row {n + 1}", make(n), "test" if n >= 60 else "train") for n in range(80)]
    assert find(check, samples) == []


# ----------------------------------------------------------------------------------------------------------- near


WORDS = [
    f"{a}{b}{c}"
    for a in ("bo", "ka", "ti", "nu")
    for b in ("lam", "ser", "vot", "nix")
    for c in ("", "a", "en", "or", "ish")
]


def make_texts(count: int, seed: int = 1) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=30)) for _ in range(count)]


def get_jaccard(one: str, two: str) -> float:
    """The exact value that MinHash estimates."""
    a, b = ({text.encode()[i : i + 5] for i in range(len(text.encode()) - 4)} for text in (one, two))
    return len(a & b) / len(a | b)


def test_signatures_estimate_the_jaccard_index() -> None:
    draw = random.Random(3)
    for text in make_texts(20):
        words = text.split()
        for index in draw.sample(range(30), k=draw.choice((1, 2, 4, 8))):
            words[index] = draw.choice(WORDS)
        other = " ".join(words)
        one, two = get_signatures([text, other])
        assert abs((one == two).mean() - get_jaccard(text, other)) < 0.2


def test_near_twins_are_found_wherever_they_stand_and_others_are_not() -> None:
    texts = make_texts(3000)
    copies = {position: position - 1000 for position in range(1000, 2000, 50)}
    for position, original in copies.items():
        texts[position] = texts[original].replace(" ", "  ", 3).upper() + "!"
    cleaned = [get_near_text({"text": text}) for text in texts]
    twins = find_twins(get_signatures(cleaned), 0.85)
    assert dict(zip(twins.rows.tolist(), twins.twins.tolist(), strict=True)) == copies
    assert all(get_jaccard(cleaned[a], cleaned[b]) > 0.8 for a, b in copies.items())


def test_equal_rows_are_one_group_and_short_ones_do_not_break_it() -> None:
    twins = find_twins(get_signatures(["same words here", "same words here", "", "", "ab", "same words here"]), 0.85)
    assert dict(zip(twins.rows.tolist(), twins.twins.tolist(), strict=True)) == {1: 0, 3: 2, 5: 0} or set(
        twins.rows.tolist()
    ) == {1, 3, 5}
    assert len(find_twins(get_signatures([]), 0.85).rows) == 0


def test_an_instruction_in_front_of_every_row_makes_no_twins() -> None:
    texts = [
        f"Translate the following sentence from English into Latin, keep names: {word} {number * 7919}"
        for number, word in enumerate(WORDS * 5)
    ]
    assert len(find_twins(get_signatures(texts), 0.85).rows) == 0


def test_near_duplicates_and_leaks_name_both_places() -> None:
    texts = make_texts(300)
    samples = [
        Sample(f"a.csv, line {n}", talk(f"user:{text}", f"assistant:{n}"), "train") for n, text in enumerate(texts, 2)
    ]
    samples.append(Sample("a.csv, line 900", talk(f"user:{texts[5]}.", "assistant:7"), "valid"))
    samples.append(Sample("a.csv, line 901", talk(f"user:{texts[8]}?", "assistant:10"), "test"))
    checks = load_checks({"near_leaks": {"severity": "block", "max_percentage": 0.0}})
    run_checks(checks, "set", samples, len(samples), Facts("conversation", "sft", 512))
    (twin,), (leak,) = checks["near_duplicates"].findings, checks["near_leaks"].findings
    assert twin.place == "a.csv, line 900" and "a.csv, line 7 (about" in twin.text
    assert leak.place == "a.csv, line 901" and "a.csv, line 10 (about" in leak.text
    assert checks["near_duplicates"].verdict == "noted" and checks["near_leaks"].blocks
    with pytest.raises(GaslampError, match="nothing was written"):
        stop_on_blocks(checks)


def test_many_twins_are_counted_and_few_kept() -> None:
    samples = [
        Sample(
            f"row {n}", talk("user:the very same question as always", f"assistant:the answer, number {n % 2}"), "train"
        )
        for n in range(200)
    ]
    checks = load_checks({})
    run_checks(checks, "set", samples, len(samples), Facts("conversation", "sft", 512))
    assert checks["near_duplicates"].count >= 198 and len(checks["near_duplicates"].findings) == KEPT
    assert any("near duplicates: 19" in message for message in get_messages(checks))


# ------------------------------------------------------------------------------------------------------------ tokens


def test_tokens_of_a_row() -> None:
    long = Sample("row 2", talk("user:q", "assistant:a"), "test", [5] * 600, [False] * 590 + [True] * 10)
    fine = Sample("row 1", talk("user:q", "assistant:a"), "train", [1, 5, 6], [False, True, True])
    assert [f.place for f in find("prompt_too_long", [fine, long])] == ["row 2"]
    assert find("prompt_too_long", [long], max_length=1000) == [] and find("prompt_too_long", [long], kind="text") == []
    twice = Sample("row 3", talk("user:q", "assistant:a"), "train", [1, 1, 6], [False, False, True])
    assert [f.place for f in find("double_bos", [fine, twice], bos_id=1)] == ["row 3"] and find(
        "double_bos", [twice], bos_id=None
    ) == []


def test_label_balance() -> None:
    def classes(*counts: int, split: str = "train") -> list[Sample]:
        return [
            Sample("row", talk("user:q", f"assistant:{chr(97 + k)}"), split)
            for k, count in enumerate(counts)
            for _ in range(count)
        ]

    assert find("label_balance", classes(95, 5))[0].text == "95 of 100 are 'a' (95 %)"
    assert (
        find("label_balance", classes(80, 20)) == []
        and find("label_balance", classes(95, 5), options={"max_share": 0.96}) == []
    )
    assert find("label_balance", classes(19, 1)) == [], "too few rows to say"
    assert find("label_balance", classes(*[1] * 40)) == [], "every answer its own"
    assert (
        "'c' (2 rows) never occurs in training"
        in find("label_balance", [*classes(60, 40, 1)[:-1], *classes(0, 0, 2, split="test")])[0].text
    )
    written = [
        Sample("row", talk("user:q", f"assistant:{name}")) for name in ("Spam", "spam ", "ham") for _ in range(20)
    ]
    assert [finding.text for finding in find("label_balance", written)] == [
        "'Spam', 'spam ' differ only in case or spaces, and each is learnt as an answer of its own"
    ]
    numbered = [Sample("row", talk("user:q", f"assistant:{k}")) for k in ("0", "1", "-1") for _ in range(20)]
    assert [finding.text for finding in find("label_balance", numbered)] == [
        "20 rows have the class -1, which means in sets of the hub that a row has none"
    ]
    ratings = [Sample("row", {"prompt": [], "completion": [], "label": n > 3}, "train") for n in range(100)]
    assert "are 'good' (96 %)" in find("label_balance", ratings, kind="rating")[0].text


def test_contradictions() -> None:
    """Of classes a second label is wrong; of free text a second answer is usual. Case and full stops do not count."""
    labels = ["spam", "ham", "news"] * 8
    rows = [talk(f"user:Mail number {n}", f"assistant:{label}") for n, label in enumerate(labels)]
    rows += [talk("user:mail  NUMBER 0.", "assistant:ham"), talk("user:Mail number 1 ", "assistant:Ham"), rows[2]]
    found = find("contradictions", rows)
    assert [(finding.place, finding.text) for finding in found] == [
        ("row 25", "'ham' here, 'spam' in row 1, for the same question")
    ]
    assert find("several_answers", rows) == []
    free = [talk(f"user:Question {n // 2}", f"assistant:An answer with words of its own, {n}") for n in range(60)]
    assert find("contradictions", free) == []
    noted = find("several_answers", free)
    assert len(noted) == 30 and [finding.place for finding in noted[KEPT - 1 : KEPT + 1]] == [f"row {2 * KEPT}", ""]
    with_tools = [{**talk("user:q", f"assistant:{n}"), "tools": [{"name": f"t{n}"}]} for n in range(6)]
    assert find("contradictions", with_tools) == find("several_answers", with_tools) == []


def test_contradicting_ratings_and_pairs() -> None:
    turn = [{"role": "user", "content": "q"}]
    a, b = ([{"role": "assistant", "content": text}] for text in ("A.", "B."))
    ratings = [{"prompt": turn, "completion": a, "label": label} for label in (True, True, False)]
    assert find("contradictions", ratings, kind="rating")[0].text == (
        "rated bad here, rated good in row 2, for the same answer"
    )
    pairs = [{"prompt": turn, "chosen": one, "rejected": other} for one, other in ((a, b), (a, b), (b, a))]
    assert [finding.text for finding in find("contradictions", pairs, kind="preference")] == [
        "chosen 'B.' here, chosen 'A.' in row 2, for the same two answers"
    ]
    prompts = [{"prompt": turn, "answer": answer} for answer in ("4", "4.", "5")]
    assert [finding.place for finding in find("contradictions", prompts, kind="prompt")] == ["row 3"]
    assert find("contradictions", [{"text": "t"}] * 3, kind="text") == []


def test_image_size(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "images").mkdir()
    rows = []
    for number, size in enumerate(((320, 320), (64, 48), (1000, 20), (3000, 300)), 1):
        image.new("L", size).save(tmp_path / "images" / f"{number}.png")
        rows.append(
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image", "image": f"images/{number}.png"}, {"type": "text", "text": "?"}],
                    }
                ]
            }
        )
    found = find("image_size", rows, folder=str(tmp_path))
    assert [finding.place for finding in found] == ["row 2", "row 4"] and "64 x 48 pixels" in found[0].text


# ----------------------------------------------------------------------------------------------------------- privacy


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mail me: jane.doe+shop@acme.co.uk today", "email"),
        ("IBAN DE89 3704 0044 0532 0130 00, thanks", "iban"),
        ("card 4111 1111 1111 1111 exp 09/29", "card"),
        ("ssn 078-05-1120", "ssn"),
        ("call +49 (0)30 901820 now", "phone"),
        ("call (212) 555-0123", "phone"),
        ("from 8.8.8.8 again", "ip"),
    ],
)
def test_personal_data_is_found(text: str, name: str) -> None:
    (match,) = find_personal(text)
    assert match.name == name and f"[{name.upper()}]" in redact(text) and redact(redact(text)) == redact(text)
    (finding,) = find("personal_data", [talk("user:hello", f"assistant:{text}")])
    assert (
        name in finding.text
        and "messages 2 content" in finding.text
        and text[match.start : match.end] not in finding.text
    )


@pytest.mark.parametrize(
    "text",
    [
        "someone@example.com or root@localhost.test",
        "2024-11-25 10:30:00",
        "3.14159265358979",
        "version 1.2.3.4.5",
        "127.0.0.1 and 192.168.1.10",
        "4111 1111 1111 1112",
        "0000 0000 0000 0000",
        "DE00 1234 5678 9012 3456 78",
        "isbn 978-3-16-148410-0",
        '{"qty":12,"time":"09:30"}',
        "1234567890123",
        "@user and a@b",
    ],
)
def test_what_only_looks_like_personal_data_is_left_alone(text: str) -> None:
    assert find_personal(text) == [] and redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "xoxb" + "-123456789012-abcdef",
        "sk-" + "a1b2" * 8,
        "AIza" + "b" * 35,
        "hf_" + "A1b2" * 9,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abcdefghijk",
        "postgres://admin:hunter2@db/x",
        "password = hunter2hunter2",
        '"api_key": "9f8e7d6c5b4a"',
    ],
)
def test_secrets_are_found(text: str) -> None:
    assert find_secrets(text) and not find_secrets(redact(text))
    assert len(find("secrets", [talk("user:here it is", f"assistant:{text}"), talk("user:q", "assistant:a")])) == 1


@pytest.mark.parametrize(
    "text",
    [
        "the password is the one you know",
        "api_key = <your key>",
        "https://example.org/a:b",
        "skip-the-line",
        "password: ********",
        "asian food",
    ],
)
def test_what_only_looks_like_a_secret_is_left_alone(text: str) -> None:
    assert find_secrets(text) == []


def test_redacting_a_row_keeps_everything_else() -> None:
    row = {
        "id": "1",
        "messages": talk("user:I am Jo, jo@acme.com", "assistant:hi\u2028 \U0001f600")["messages"],
        "label": True,
        "columns": {"mail": "jo@acme.com", "n": 3},
    }
    clean = redact_row(row)
    assert clean["messages"][0]["content"] == "I am Jo, [EMAIL]" and clean["columns"] == {"mail": "[EMAIL]", "n": 3}
    assert (
        clean["messages"][1] == row["messages"][1]
        and clean["label"] is True
        and row["messages"][0]["content"].endswith("acme.com")
    )
    plain = talk("user:q", "assistant:a")
    assert redact_row(plain) is plain


# ------------------------------------------------------------------------------------------------- special tokens


@pytest.mark.parametrize(
    ("tokens", "row", "found"),
    [
        ((), {"messages": [{"role": "user", "content": "a</s>"}]}, ["</s>"]),
        ((), {"messages": [{"role": "user", "content": "[INST] a"}]}, ["[INST]"]),
        ((), {"text": "[INST] a"}, ["[INST]"]),
        ((), {"text": "<s>"}, ["<s>"]),
        ((), {"messages": [{"role": "user", "content": "<\uff5cend\u2581of\u2581sentence\uff5c>"}]}, True),
        (("\uff5fmask\uff60",), {"text": "a \uff5fmask\uff60"}, ["\uff5fmask\uff60"]),
        ((">>TITLE>>",), {"text": "a >>TITLE>>"}, [">>TITLE>>"]),
        (("{eos}",), {"text": "the {eos}"}, ["{eos}"]),
        (('"eos"',), {"text": 'an "eos"'}, ['"eos"']),
        (("eop",), {"messages": [{"role": "user", "content": "an eop"}]}, ["eop"]),
        (("eop",), {"messages": [{"role": "user", "content": "none"}]}, []),
        (("[TOOL_CALLS]",), {"messages": [{"role": "assistant", "content": "[TOOL_CALLS] [{}]"}]}, []),
        (("<think>", "</think>"), {"messages": [{"role": "assistant", "content": "<think>a</think>b"}]}, []),
    ],
)
def test_special_tokens_of_any_tokenizer_are_found(tokens: tuple[str, ...], row: Any, found: Any) -> None:
    from gaslamp.data.readers.numbers import dump

    module = registry.get("checks", "special_tokens")
    for shared in ({}, {"json": [dump(row)]}):
        facts = Facts("conversation", "sft", 512, {"redact": False, "tokens": tokens}, shared=shared)
        texts = [finding.text for finding in module.check([Sample("row 1", row)], facts)]
        assert len(texts) == bool(found) and all(token in texts[0] for token in (found if found is not True else ()))


# ------------------------------------------------------------------------------- what the template does not show

LOST: list[tuple[str, list[dict[str, Any]], list[tuple[str, bool]], set[str]]] = [
    ("learnt", [{"role": "assistant", "content": "abc"}], [("abc", True)], set()),
    ("shown, not learnt", [{"role": "assistant", "content": "abc"}], [("abc", False)], {"answers"}),
    ("marked as not learnt", [{"role": "assistant", "content": "abc", "train": False}], [("abc", False)], set()),
    ("a question that is marked", [{"role": "user", "content": "abc", "train": True}], [("abc", False)], {"turns"}),
    ("a question that is learnt", [{"role": "user", "content": "abc", "train": True}], [("abc", True)], set()),
    (
        "a part that is learnt",
        [{"role": "assistant", "content": "abc def", "train": [[4, 7]]}],
        [("abc ", False), ("def", True)],
        set(),
    ),
    (
        "a part that is not",
        [{"role": "assistant", "content": "abc def", "train": [[4, 7]]}],
        [("abc ", True), ("def", False)],
        {"answers"},
    ),
]


@pytest.mark.parametrize(("turns", "pieces", "lost"), [case[1:] for case in LOST], ids=[case[0] for case in LOST])
def test_turns_with_marks_are_looked_for_where_they_belong(
    turns: list[dict[str, Any]], pieces: list[tuple[str, bool]], lost: set[str]
) -> None:
    assert registry.get("checks", "lost_in_template").find_lost({"messages": turns}, [pieces]) == lost


def test_each_side_of_a_pair_is_looked_for_in_its_own_text() -> None:
    row = {
        "prompt": [{"role": "user", "content": "q"}],
        "chosen": [{"role": "assistant", "content": "abc"}],
        "rejected": [{"role": "assistant", "content": "def"}],
    }
    find_lost = registry.get("checks", "lost_in_template").find_lost
    sides = [[("q", False), ("abc", True)], [("q", False), ("def", True)]]
    assert find_lost(row, sides) == set() and find_lost(row, sides[::-1]) == {"answers"}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *(("GrÃ¶ÃŸe", "cp1252"), ("donâ€™t", "cp1252"), ("ðŸ˜€ hi", "cp1252"), ("Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "cp1252")),
        *(("Gr├╢├ƒe", "cp437"), ("Gr√∂√üe", "mac_roman"), ("Â© 2024", "cp1252")),
        *(("Größe und Äpfel", None), ("“Ä“, sagt er", None), ("NÃO, IRMÃ”", None), ("√4 = 2", None), ("├── a", None)),
        *(("Привет, как дела?", None), ("Ελληνικά", None), ("naïve café – “ok”…", None), ("¿Qué?", None)),
    ],
)
def test_mojibake(text: str, encoding: str | None) -> None:
    found = mojibake.find(text)
    assert (found[0] if found else None) == encoding
    right = {"cp1252": 1, "cp437": 1, "mac_roman": 1}
    assert (mojibake.repair(text) == text) is (encoding not in right)


def test_repaired_letters() -> None:
    for right in ("Größe – “alt” … 5 €", "привет", "¡Año Nuevo! 😀", "déjà vu"):
        for encoding in ("cp1252", "mac_roman", "cp437"):
            wrong = "".join(bytes([byte]).decode(encoding, "ignore") or chr(byte) for byte in right.encode())
            if encoding == "cp1252":
                assert mojibake.repair(wrong) == right
            elif mojibake.find(wrong):
                assert "\ufffd" not in mojibake.repair(wrong)


def test_one_line_allows_all_that_blocks() -> None:
    checks = load_checks({"special_tokens": {"severity": "off"}})
    for name, count in (("unreadable", 1), ("wrong_types", 3)):
        checks[name].add([Finding(f"a.csv, line {n}", "bad") for n in range(count)], 90)
    with pytest.raises(GaslampError) as found:
        stop_on_blocks(checks)
    said = str(found.value.less_likely)
    line = re.search(r"write (checks: .*) in place of checks: {} ", said)
    assert said.startswith("allow it (such rows are left out): in the section data of config.yaml write checks: ")
    assert line is not None
    again = load_checks(yaml.safe_load(line[1])["checks"])
    for name, count in (("unreadable", 1), ("wrong_types", 3)):
        again[name].add([Finding(f"a.csv, line {n}", "bad") for n in range(count)], 90)
    stop_on_blocks(again)
    assert [again[name].verdict for name in ("unreadable", "wrong_types")] == ["noted", "noted"]
    checks["wrong_types"].add([Finding("a.csv, line 1", "bad")] * 87)
    with pytest.raises(GaslampError) as found:
        stop_on_blocks(checks)
    assert found.value.less_likely is None, "every row: to leave all of them out is no fix"


@pytest.mark.parametrize(
    ("labels", "text", "fix"),
    [
        ((True, True, True), "all 3 are rated good", "method: sft"),
        ((False, False), "all 2 are rated bad", "the other label"),
        ((True, False, True), None, None),
    ],
)
def test_ratings_of_one_kind(labels: tuple[bool, ...], text: str | None, fix: str | None) -> None:
    """kto learns from the difference: only thumbs up stop the run in the data phase, before any training."""
    rows = [{"prompt": f"q{n}", "completion": "ok", "label": label} for n, label in enumerate(labels)]
    found = find("one_label", rows, kind="rating")
    assert [(text or "") in one.text and (fix or "") in one.fix for one in found] == [True] * bool(text)
    held_out = Sample("row 9", {**rows[0], "label": not labels[0]}, "test")
    assert len(find("one_label", [*rows, held_out], kind="rating")) == len(found), "test rows do not count"
