"""Guests' questions to a cafe with the fact that answers them, and good and bad replies.

Preference and rating rows are made of them.

A good reply says the fact in one plain, friendly sentence. A bad one contradicts the fact, is rude, evades, or
rambles: two of the four are as short as a good one, so that length alone does not separate them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gaslamp.core.errors import GaslampError
from gaslamp.data.embedded._draw import SPLITS, Draw


class Topic(NamedTuple):
    """What guests ask about: ``values`` fill {v}; ``thing`` fills {x}; the last question is kept for the test rows."""

    fact: str
    good: tuple[str, ...]
    questions: tuple[str, ...]
    values: tuple[str, ...]
    things: tuple[str, ...] = ("",)


class Reply(NamedTuple):
    """One question with a good and a bad reply; ``fault`` names what is bad about it."""

    prompt: str
    good: str
    bad: str
    fault: str
    split: str
    slice: str


HOURS = ("at seven", "at half past seven", "at eight", "at nine", "at half past nine")
DAYS = ("on Mondays", "on Tuesdays", "on Sundays", "on public holidays", "on Wednesdays")
PRICES = ("two euros", "three euros", "four euros", "five euros", "three euros fifty", "four euros twenty")
CAKES = ("carrot cake", "cheesecake", "lemon tart", "apple crumble", "plum cake", "poppy seed roll")
DRINKS = ("flat white", "hot chocolate", "iced tea", "fresh orange juice", "chai latte", "espresso")
PLACES = ("next to the door", "behind the counter", "on the first floor", "in the courtyard", "beside the bookshelf")

TOPICS = (
    Topic(
        "We open {v}.",
        ("We open {v}.", "Our doors open {v}."),
        ("When do you open?", "what time can i come in the morning", "How early are you there?"),
        HOURS,
    ),
    Topic(
        "We are closed {v}.",
        ("We are closed {v}.", "Please note that we are closed {v}."),
        ("Which day are you closed?", "is there a day off", "On what day would I find the door locked?"),
        DAYS,
    ),
    Topic(
        "The {x} costs {v}.",
        ("The {x} costs {v}.", "It is {v} for the {x}."),
        ("How much is the {x}?", "price of {x} pls", "What would I pay for the {x}?"),
        PRICES,
        (*CAKES, *DRINKS),
    ),
    Topic(
        "The {x} contains {v}.",
        ("The {x} contains {v}.", "Yes, there is something to know: the {x} contains {v}."),
        (
            "Are there allergens in the {x}?",
            "anything i should know about the {x}, allergies",
            "My daughter has allergies. Can she eat the {x}?",
        ),
        ("nuts", "milk", "eggs", "gluten", "soy", "sesame"),
        CAKES,
    ),
    Topic(
        "The toilet is {v}.",
        ("The toilet is {v}.", "You find the toilet {v}."),
        ("Where is the toilet?", "restroom??", "Could you point me to the bathroom?"),
        PLACES,
    ),
    Topic(
        "Dogs are welcome {v}.",
        ("Dogs are welcome {v}.", "Your dog is welcome {v}."),
        ("Can I bring my dog?", "dogs ok?", "We travel with a terrier. May it come in?"),
        PLACES,
    ),
    Topic(
        "The {x} is served {v}.",
        ("The {x} is served {v}.", "We serve the {x} {v}."),
        ("When can I get the {x}?", "{x} available now or later", "At what time of day do you have the {x}?"),
        ("all day", "from noon", "until eleven", "after three o'clock", "at weekends only"),
        (*CAKES, "soup of the day", "breakfast plate"),
    ),
    Topic(
        "Your table is {v}.",
        ("Your table is {v}.", "We kept a table for you {v}."),
        ("Where do we sit?", "which table is ours", "We have booked. Where is our place?"),
        PLACES,
    ),
    Topic(
        "You can pay {v}.",
        ("You can pay {v}.", "Paying is possible {v}."),
        ("How can I pay?", "do u take cards", "What kinds of payment do you accept?"),
        ("in cash only", "by card only", "in cash or by card", "by card or phone", "with vouchers too"),
    ),
    Topic(
        "The next {x} is {v}.",
        ("The next {x} is {v}.", "Join us: the next {x} is {v}."),
        ("When is the next {x}?", "{x} dates?", "I would love to come to the {x}. When is it?"),
        ("on Friday", "on Saturday", "next Tuesday", "this evening", "at the end of the month"),
        ("jazz evening", "latte art course", "quiz night", "reading", "open stage"),
    ),
)
UNSEEN = (
    Topic(
        "Your {x} was found {v}.",
        ("Your {x} was found {v}.", "Good news: your {x} was found {v}."),
        ("", "", "I think I left my {x} with you yesterday. Did anybody find it?"),
        PLACES,
        ("umbrella", "scarf", "wallet", "blue notebook"),
    ),
    Topic(
        "Parking is {v}.",
        ("Parking is {v}.", "You can park {v}."),
        ("", "", "We come by car. Where do we leave it?"),
        ("across the street", "behind the church", "in the yard", "at the station"),
    ),
)
RUDE = (
    "Read the sign. {good}",
    "You could have looked that up. {good}",
    "Again? {good} Next!",
    "{good} As everybody knows.",
)
EVASIVE = (
    "I cannot say.",
    "Ask somebody else, please.",
    "That depends on many things.",
    "No idea, sorry.",
    "Maybe you can find it online.",
)
RAMBLING = (
    "What a wonderful question!!! We love questions here, and we have been loving them since the very first "
    "day. {good} And have you seen our tote bags yet?",
    "Let me think about where to begin. My aunt used to ask the same thing, and she never forgot what we told "
    "her. {good} She also liked the weather here.",
    "{good} But wait, there is more! Follow us, like us, tell your friends, and do not miss the new loyalty "
    "card with a hundred surprises!",
)
FAULTS = ("wrong", "rude", "evasive", "rambling")


def make_replies(seed: int, n_train: int, n_valid: int, n_test: int) -> Iterator[Reply]:
    """Replies in the order train, valid, test.

    Test questions are worded as no training question is, every fourth on a topic of its own.

    Raises:
        GaslampError: a size below 0.
    """
    if min(n_train, n_valid, n_test) < 0:
        raise GaslampError("the number of rows cannot be negative", "set n_train, n_valid and n_test to 0 or more")
    draw, seen = Draw(seed), set[str]()
    for split, count in zip(SPLITS, (n_train, n_valid, n_test), strict=True):
        made = 0
        while made < count:
            unseen = split == "test" and made % 4 == 3
            topic = draw.pick(UNSEEN if unseen else TOPICS)
            thing, value = draw.pick(topic.things), draw.pick(topic.values)
            question = topic.questions[2] if split == "test" else draw.pick(topic.questions[:2])
            fault = FAULTS[made % 4]
            other = draw.pick([option for option in topic.values if option != value])
            good = draw.pick(topic.good)
            said = good.format(x=thing, v=value)
            bad = {
                "wrong": good.format(x=thing, v=other),
                "rude": draw.pick(RUDE).format(good=said),
                "evasive": draw.pick(EVASIVE),
                "rambling": draw.pick(RAMBLING).format(good=said),
            }[fault]
            prompt = f"Fact: {topic.fact.format(x=thing, v=value)}\nGuest: {question.format(x=thing)}"
            if prompt not in seen:
                seen.add(prompt)
                made += 1
                yield Reply(prompt, said, bad, fault, split, "unseen_topics" if unseen else "seen_topics")
