"""Cafe pre-orders in everyday English -> one compact JSON object.

A skill the embedded base model lacks and learns in minutes.

Train and valid share phrasings and customers; test rows use phrasings and customers of their own, and a quarter of them
(slice ``unseen_items``) order things that no training row mentions. What all splits share is the task's own vocabulary:
numbers as words and digits, sizes, and the ways to write a time on a 24-hour clock.

Conventions that make the answer unique: item names are singular and lower case with their size in front, customers
start with a capital, a time that is not given is null and one that is given is HH:MM.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any, NamedTuple

from gaslamp.core.errors import GaslampError
from gaslamp.data.embedded._draw import Draw
from gaslamp.data.rows import SourceRow

ROWS = "conversation"  # kind of its rows: the interview recommends a method for it
DESCRIPTION = "Cafe orders in everyday English to strict JSON; test phrasings and customers never occur in training"
SYSTEM = 'Order to JSON: {"customer":"","items":[{"qty":1,"item":""}],"time":"HH:MM" or null}'


class Item(NamedTuple):
    """One thing on the menu; ``sized`` things come small, medium and large."""

    name: str
    plural: str
    sized: bool


def _menu(sized: str, plain: str) -> list[Item]:
    """Items from ``name`` or ``name/plural`` words separated by commas."""
    menu = []
    for text, has_size in ((sized, True), (plain, False)):
        for entry in text.split(","):
            name, _, plural = entry.strip().partition("/")
            menu.append(Item(name, plural or name + "s", has_size))
    return menu


def _words(text: str) -> list[str]:
    return text.split()


ITEMS = _menu(
    "latte, flat white, cappuccino, americano, mocha, black coffee, iced coffee, filter coffee, hot chocolate, "
    "green tea, "
    "earl grey, chai, lemonade, orange juice, apple juice, banana smoothie, tomato soup, caesar salad, fruit "
    "salad, milkshake",
    "espresso, croissant, almond croissant, blueberry muffin, cinnamon roll, bagel, cheese bagel, brownie, "
    "cookie, oat cookie, "
    "scone, doughnut, ham sandwich/ham sandwiches, tuna sandwich/tuna sandwiches, egg sandwich/egg sandwiches, quiche, "
    "sausage roll, banana bread, yoghurt, granola bar, cheese toast, waffle",
)
UNSEEN_ITEMS = _menu(
    "vanilla shake, peach tea, ginger ale, lentil soup, rice bowl, pear juice, bean salad, mint tea",
    "apple cake, pretzel, cheese sandwich/cheese sandwiches, turkey wrap, lemon cake, chicken pie, carrot cake, "
    "veggie burger, "
    "rice cake, fruit tart",
)
NAMES = _words(
    "Maya Tom Aisha Liam Sofia Noah Priya Jack Elena Omar Grace Ben Hana Lucas Ruby Ivan Nora Sam Leila Max "
    "Chloe Raj Emma Diego "
    "Anna Felix Zara Paul Mei Oscar Julia Adam Tess Hugo Fatima Leo Kate Jonas Alice Marco Ingrid Tariq Bianca "
    "Stefan Esther Yusuf "
    "Camille Rashid Agnes Theo Valentina Malik Freya Boris Imani Edgar Dalia Bruno Selma Isaac"
)
TEST_NAMES = _words(
    "Sarah Victor Amira Ethan Clara Daniel George Lena Hannah Simon Nadia Peter Frank Laura David Emily"
)

# {n} customer, {i} items, {t} time with its preposition, {T} bare time, {q} a wrong first guess at the quantity of the
# first item, {k} the right one where there is only one item, {w} a wrong first time with its preposition.
PHRASINGS = (
    "Hi, could I get {i} {t}? It's for {n}.",
    "Hello! {i} please, name is {n}, picking up {t}.",
    "{n} here. {i} {t} please.",
    "{i} for {n}, {t}",
    "order for {n}: {i}, {T}",
    "{T} pickup, {i}, {n}",
    "Good morning, I'd like {i}. I'm coming {t}. My name is {n}.",
    "Can you put {i} aside for me {t}? Under {n}, thanks!",
    "Please have {i} ready {t}. {n}",
    "This is {n}, I need {i} {t}, thank you.",
    "Would it be possible to order {i}? I'd collect them {t}, name's {n}.",
    "hey its {n}, can i grab {i} {t}",
    "We'd love {i} {t}. Put it under {n}, please.",
    "{n} would like {i}, collected {t}.",
    "I'm {n} and I'll have {i} {t}.",
    "Pickup {t}: {i}. Customer: {n}",
    "could u do {i} {t}? thx, {n}",
    "For {n} please: {i}. Ready {t} if you can.",
    "My boss {n} wants {i} {t}.",
    "So that's {i}, and I'm there {t}. The name is {n}.",
    "{i}. {t}. {n}.",
    "Morning! Just {i} for me, {n}. See you {t}.",
    "I'd like to pre-order {i} for {n}, to be picked up {t}.",
    "Set aside {i} {t} for {n} pls",
    "{t} I'll pick up {i}, it's {n} speaking.",
    "Name: {n}\nOrder: {i}\nTime: {T}",
    "Do you still have space for an order {t}? {i}, for {n}.",
    "Hi, {n} again. As usual {t}, {i}.",
    "{i} - {n} - {T}",
    "{T} - {i} - {n}",
)
PHRASINGS_NO_TIME = (
    "Hi, {i} please, for {n}.",
    "{n}: {i}",
    "Can I have {i}? No rush. I'm {n}.",
    "{i} for {n} whenever it's ready",
    "This is {n}, I'd like {i}, thanks.",
    "just {i}, name {n}",
)
PHRASINGS_FIX = (
    "Hi, {n} here, {q}, no wait, {i} {t} please.",
    "Can I get {q}, sorry, I mean {i}, {t}? For {n}.",
    "{q} for {n}, actually make that {i}, {t}",
    "I'd like {i} {w}, no, {t}. It's {n}.",
    "{n} here: {i}, {w}, or better {t}, thanks.",
    "Please get {i} ready {w}. Sorry, {t}! {n}",
    "order for {n}: {q}. correction: {i}. pickup {T}",
    "{i} {w} for {n}, wait, change that to {T}",
    "{q} for {n}. No, make that {k}! I'll be there {t}.",
    "Hello, {q}, sorry, {k}, {t}. {n}",
    "I need {i} {w}. Oh wait, {T} is better. {n}",
    "{n} speaking. {q}... oops, {i}, {t}.",
)
TEST_PHRASINGS = (
    "Hey there, {n} speaking, may I order {i} {t}?",
    "{n} - {i} - {T}",
    "I'll drop in {t} for {i}. {n} is the name.",
    "Need {i} {t}, cheers, {n}",
    "Dear team, kindly prepare {i} for {n}, who will arrive {t}.",
    "Is it ok if I collect {i} {t}? Signed, {n}",
    "{t}, {n}, {i}",
    "My friend {n} is coming {t} to fetch {i}.",
    "Good afternoon! One order under the name {n}: {i}. Be there {t}.",
    "pls make {i} for me, {n}, will be there {t}",
    "Let me have {i}, thank you. I get in {t}. - {n}",
    "Hiya, {i} to take away {t}, it's {n}!",
    "Hoping to pick up {i} {t}; the order is for {n}.",
    "{n} asked me to order {i}. Pickup should be {t}.",
)
TEST_PHRASINGS_NO_TIME = (
    "Hello, this is {n}. May I have {i}?",
    "{i}, thanks! - {n}",
    "One order for {n}, any time is fine: {i}.",
)
TEST_PHRASINGS_FIX = (
    "{n} speaking, may I order {q}, hang on, rather {i} {t}.",
    "Need {q}, oops, {i} of course, {t}, {n}",
    "Kindly prepare {i} for {n} {w}, no sorry, {t}.",
    "I'll drop in {w} for {i}. Oh, make it {T} instead. {n}",
    "May I order {q}? Oh, {k} would be better. I'll drop in {t}. Signed, {n}",
)
CHATTER = (
    "I'll pay by card.",
    "See you soon!",
    "We're five in the office today.",
    "Is there parking nearby?",
    "It was great last time!",
)
TEST_CHATTER = ("Best cafe in town!", "Sorry for the short notice.", "We are a party of four.", "Do you take cash?")

NUMBERS = _words("zero one two three four five six seven eight nine ten eleven twelve")
SLIPS = (("please", "pls"), ("please", "plese"), ("thanks", "thx"), ("could", "coud"), ("order", "oder"), ("'", ""))


def _time(draw: Draw) -> tuple[str, str, str]:
    """A time of day: ``HH:MM``, one way to write it, and the preposition in front of it."""
    hour = draw.pick((7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 13, 14, 15, 16, 17))
    minute = draw.pick((0, 0, 0, 15, 30, 30, 45, 5, 10, 20, 25, 35, 40, 50, 55))
    value = f"{hour:02d}:{minute:02d}"
    ways = (value, value, value.removeprefix("0"), value.replace(":", "."), f"{value[:2]}h{value[3:]}")
    return value, draw.pick(ways), draw.pick(("at", "at", "at", "by", "around", "before"))


def _quantity(draw: Draw, item: Item, qty: int, size: str | None) -> str:
    """``item`` ordered ``qty`` times, as somebody would write it."""
    one = f"{size} {item.name}" if size else item.name
    many = f"{size} {item.plural}" if size else item.plural
    if qty == 1:
        article = "an" if one[0] in "aeiou" else "a"
        return draw.pick(
            (f"{article} {one}", f"{article} {one}", f"one {one}", f"1 {one}", f"1x {one}", f"a single {one}")
        )
    plain = (f"{NUMBERS[qty]} {many}", f"{NUMBERS[qty]} {many}", f"{qty} {many}", f"{qty} {many}")
    return draw.pick((*plain, f"{qty}x {one}", f"{qty} x {one}", f"{one} x{qty}"))


def _order(draw: Draw, menu: Sequence[Item], most: int) -> tuple[list[dict[str, Any]], list[Item]]:
    """One or ``most`` (2) different items with quantity and size."""
    things = [draw.pick(menu)]
    if most > 1 and draw.chance(0.35):
        second = draw.pick(menu)
        things += [second] if second != things[0] else []
    order = []
    for thing in things:
        size = draw.pick(("small", "medium", "large", "large")) if thing.sized and draw.chance(0.6) else None
        qty = draw.pick((1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 8, 10, 12))
        order.append({"qty": qty, "item": f"{size} {thing.name}" if size else thing.name, "size": size})
    return order, things


def _row(draw: Draw, phrasing: str, menu: Sequence[Item], split: str) -> dict[str, Any]:
    """One chat row; customer and closing remark come from the lists of its split."""
    customer = draw.pick(TEST_NAMES if split == "test" else NAMES)
    order, things = _order(draw, menu, most=1 if "{k}" in phrasing else 2)
    time, clock, before = _time(draw)
    asked = [_quantity(draw, thing, line["qty"], line["size"]) for thing, line in zip(things, order, strict=True)]
    wrong_qty = order[0]["qty"] % 4 + 1
    _, wrong_clock, wrong_before = next(guess for guess in iter(lambda: _time(draw), None) if guess[0] != time)
    text = phrasing.format(
        n="\0",
        i=draw.pick((" and ", " and ", " plus ", ", ")).join(asked),
        t=f"{before} {clock}",
        T=clock,
        q=_quantity(draw, things[0], wrong_qty, order[0]["size"]),
        k=draw.pick((NUMBERS[order[0]["qty"]], str(order[0]["qty"]))),
        w=f"{wrong_before} {wrong_clock}",
    )
    text = text[0].upper() + text[1:] if phrasing[0] == "{" and phrasing.endswith(".") else text
    if draw.chance(0.12):
        text += ("" if text[-1] in ".!?" else ".") + " " + draw.pick(TEST_CHATTER if split == "test" else CHATTER)
    if draw.chance(0.2):
        text = text.replace(*draw.pick(SLIPS))
    if draw.chance(0.15):
        text = text.lower()
    text = text.replace("\0", customer)
    has_time = "{t}" in phrasing or "{T}" in phrasing
    lines = [{"qty": line["qty"], "item": line["item"]} for line in order]
    answer = {"customer": customer, "items": lines, "time": time if has_time else None}
    messages = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": text},
        {"role": "assistant", "content": json.dumps(answer, separators=(",", ":"))},
    ]
    return {"messages": messages, "split": split, "slice": "unseen_items" if menu is UNSEEN_ITEMS else "seen_items"}


def _phrasings(draw: Draw, plain: Sequence[str], no_time: Sequence[str], fix: Sequence[str]) -> Iterator[str]:
    """Endless phrasings: 76 % plain, 14 % with no time, 10 % with a correction; each kind taken in turn."""
    turns = cycle(plain), cycle(no_time), cycle(fix)
    while True:
        share = draw.below(100)
        yield next(turns[0] if share < 76 else turns[1] if share < 90 else turns[2])


def generate(seed: int = 3407, n_train: int = 560, n_valid: int = 40, n_test: int = 200) -> Iterator[SourceRow]:
    """Yield chat rows in the order train, valid, test; the same seed and sizes give the same bytes on every machine.

    Each row is ``{"messages": [system, user, assistant], "split": ..., "slice": "seen_items" | "unseen_items"}``; every
    fourth test row is of the slice ``unseen_items``. No user text occurs twice. Raises GaslampError for a size below 0.
    """
    if min(n_train, n_valid, n_test) < 0:
        raise GaslampError("the number of rows cannot be negative", "set n_train, n_valid and n_test to 0 or more")
    draw, seen = Draw(seed), set[str]()
    known = _phrasings(draw, PHRASINGS, PHRASINGS_NO_TIME, PHRASINGS_FIX)
    fresh = _phrasings(draw, TEST_PHRASINGS, TEST_PHRASINGS_NO_TIME, TEST_PHRASINGS_FIX)
    for split, count in (("train", n_train), ("valid", n_valid), ("test", n_test)):
        made = 0
        while made < count:
            menu = UNSEEN_ITEMS if split == "test" and made % 4 == 3 else ITEMS
            row = _row(draw, next(fresh if split == "test" else known), menu, split)
            text = row["messages"][1]["content"]
            if text.lower() not in seen:
                seen.add(text.lower())
                made += 1
                yield row
