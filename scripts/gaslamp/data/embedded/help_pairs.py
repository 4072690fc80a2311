"""Questions of users and the title of the help page that answers them.

For embedding models.

Users and help pages use different words for the same trouble, so that counting common words does not solve it. Test
rows word the troubles anew, and half of them are of devices that training never saw (slice ``unseen_devices``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gaslamp.core.errors import GaslampError
from gaslamp.data.embedded._draw import SPLITS, Draw
from gaslamp.data.rows import SourceRow

ROWS = "pair"  # kind of its rows: the interview recommends a method for it
DESCRIPTION = "Users' questions and the help page that answers them, with a wrong page of the same device as negative"


class Trouble(NamedTuple):
    """A help page's title and what users say; the last two wordings are kept for the test rows."""

    page: str
    words: tuple[str, ...]


TROUBLES = (
    Trouble(
        "Charging the battery of your {d}",
        (
            "{d} is always empty by noon",
            "my {d} dies so quickly",
            "how long to plug in the {d}",
            "no juice left in the {d} after an hour",
            "the {d} runs out of power far too fast",
        ),
    ),
    Trouble(
        "Pairing the {d} over Bluetooth",
        (
            "phone does not find my {d}",
            "cannot connect {d} to my phone",
            "{d} not in the list of devices",
            "the {d} and my phone ignore each other",
            "how do I link a {d} with a tablet",
        ),
    ),
    Trouble(
        "Updating the firmware of the {d}",
        (
            "is there new software for the {d}",
            "{d} asks for an upgrade",
            "get the latest version on my {d}",
            "my {d} says its program is old",
            "install the newest release on a {d}",
        ),
    ),
    Trouble(
        "Resetting the {d} to factory settings",
        (
            "start over with my {d}",
            "{d} is frozen, nothing helps",
            "wipe everything off the {d}",
            "I want the {d} as it was out of the box",
            "clear the {d} before I sell it",
        ),
    ),
    Trouble(
        "Cleaning and care of the {d}",
        (
            "{d} is dirty",
            "can I wash the {d}",
            "sticky buttons on my {d}",
            "spilled juice all over the {d}",
            "what may I wipe the {d} with",
        ),
    ),
    Trouble(
        "Warranty and repair of the {d}",
        (
            "{d} broke after two weeks",
            "send my {d} back",
            "crack in the {d}, who pays",
            "my {d} arrived in pieces",
            "do I get money back for a faulty {d}",
        ),
    ),
    Trouble(
        "Changing the language of the {d}",
        (
            "{d} speaks French to me",
            "menus of my {d} in German please",
            "wrong words on the {d} screen",
            "I cannot read what the {d} shows",
            "make the {d} talk English again",
        ),
    ),
    Trouble(
        "Setting the clock and alarms of the {d}",
        (
            "{d} is one hour off",
            "wake me with the {d}",
            "wrong time on my {d} since summer",
            "the {d} rang at midnight",
            "my {d} did not follow daylight saving",
        ),
    ),
    Trouble(
        "Adjusting sound and volume of the {d}",
        (
            "{d} is too loud",
            "cannot hear my {d}",
            "turn the {d} down",
            "the {d} whispers",
            "no noise at all comes from the {d}",
        ),
    ),
    Trouble(
        "Sharing the {d} with family members",
        (
            "my wife wants to use the {d} too",
            "second user on the {d}",
            "{d} for the kids",
            "can two people own one {d}",
            "let my father control our {d}",
        ),
    ),
    Trouble(
        "Using the {d} without internet",
        (
            "{d} on a plane",
            "no wifi in the cabin, will the {d} work",
            "{d} offline",
            "the router is dead, what about the {d}",
            "take the {d} into the woods",
        ),
    ),
    Trouble(
        "Privacy settings of the {d}",
        (
            "does the {d} listen to me",
            "who sees the data of my {d}",
            "stop the {d} from sending things",
            "is my {d} spying",
            "keep what the {d} records at home",
        ),
    ),
)
DEVICES = (
    "watch",
    "speaker",
    "lamp",
    "thermostat",
    "headset",
    "door bell",
    "camera",
    "scale",
    "radio",
    "robot mower",
    "tablet",
    "tracker",
)
UNSEEN = ("kettle", "e-reader", "baby monitor", "smoke detector", "bike computer", "toothbrush")


def generate(seed: int = 3407, n_train: int = 288, n_valid: int = 24, n_test: int = 72) -> Iterator[SourceRow]:
    """Yield ``{"anchor", "positive", "negative", "split", "slice"}`` in the order train, valid, test.

    No anchor occurs twice.

    Raises:
        GaslampError: a size below 0, or more rows than there are questions (432 for train and valid, 288 for test).
    """
    if min(n_train, n_valid, n_test) < 0:
        raise GaslampError("the number of rows cannot be negative", "set n_train, n_valid and n_test to 0 or more")
    draw = Draw(seed)
    known = draw.shuffle([(d, t, w) for d in DEVICES for t in TROUBLES for w in t.words[:3]])
    old = draw.shuffle([(d, t, w) for d in DEVICES for t in TROUBLES for w in t.words[3:]])
    new = draw.shuffle([(d, t, w) for d in UNSEEN for t in TROUBLES for w in t.words[3:]])
    fresh = [question for both in zip(old, new, strict=False) for question in both]
    if n_train + n_valid > len(known) or n_test > len(fresh):
        raise GaslampError(
            f"there are {len(known)} questions for train and valid and {len(fresh)} for test", "ask for fewer rows"
        )
    for split, picked in zip(
        SPLITS, (known[:n_train], known[n_train : n_train + n_valid], fresh[:n_test]), strict=True
    ):
        for device, trouble, words in picked:
            other = draw.pick([option for option in TROUBLES if option is not trouble])
            yield {
                "anchor": words.format(d=device),
                "positive": trouble.page.format(d=device),
                "negative": other.page.format(d=device),
                "split": split,
                "slice": "unseen_devices" if device in UNSEEN else "seen_devices",
            }
