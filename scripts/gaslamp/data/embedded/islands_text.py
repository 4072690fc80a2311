"""Running text for continued pre-training.

Entries of a guide to invented islands, in a style and with words of its own.

Nothing in it exists, so that a lower loss on the test entries shows what was learned from the training entries and
nothing else: the guide's terms (a *tarn-keeper*, the *long tide*), its order of sentences, its way to give distances.
"""

from __future__ import annotations

from collections.abc import Iterator

from gaslamp.core.errors import GaslampError
from gaslamp.data.embedded._draw import SPLITS, Draw
from gaslamp.data.rows import SourceRow

ROWS = "text"  # kind of its rows: the interview recommends a method for it
DESCRIPTION = "Entries of a guide to invented islands, for continued pre-training; test islands never occur in training"
HEADS = [
    "Bre",
    "Cal",
    "Dun",
    "Ess",
    "Fal",
    "Gar",
    "Hes",
    "Il",
    "Jor",
    "Kel",
    "Lor",
    "Mar",
    "Nes",
    "Or",
    "Pel",
    "Quen",
    "Ros",
    "Sel",
    "Tor",
    "Ul",
    "Ven",
    "Wes",
    "Yar",
    "Zel",
]
MIDDLES = ["a", "an", "ar", "el", "en", "er", "i", "in", "o", "on", "ou", "ys"]
TAILS = ["dale", "fell", "holm", "ick", "mere", "ness", "oe", "ray", "skerry", "sund", "vik", "wick"]
POINTS = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
STONES = ("grey slate", "red sandstone", "black basalt", "white chalk", "green serpentine", "pink granite")
BIRDS = ("kittiwakes", "storm petrels", "eiders", "puffins", "oystercatchers", "terns", "shearwaters", "guillemots")
PLANTS = (
    "sea thrift",
    "bog myrtle",
    "silverweed",
    "marsh orchids",
    "crowberry",
    "bell heather",
    "roseroot",
    "scurvy grass",
)
GOODS = (
    "oatcakes",
    "smoked eel",
    "heather honey",
    "dulse",
    "sheep's cheese",
    "barley spirit",
    "juniper bread",
    "salted butter",
)
CRAFTS = ("ropes", "creels", "knitted caps", "clay lamps", "bone needles", "oak kegs", "felt boots", "reed mats")
FEASTS = (
    "the Lighting of the Tarn",
    "Herring Eve",
    "the Counting of Boats",
    "Bell Night",
    "the Long Supper",
    "Lambing Fair",
    "the Changing of the Keeper",
    "First Smoke",
)
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
WINDS = ("the miller", "the old widow", "the lamplighter", "the grey dog", "the tax man")

OPENINGS = (
    "{n} lies {d} hours by sail to the {p} of {m}, and is {l} leagues long at low water.",
    "A low island of {s}, {n} is reached from {m} in {d} hours when the wind stands in the {p}.",
    "Travellers sight {n} first as a line of {s} to the {p} of {m}, some {d} hours out.",
)
BODIES = (
    "Its tarn-keeper tends the only fresh water and may close the path {o} the long tide.",
    "The tarn-keeper lights the harbour lamp {o} the long tide, and no boat lands before.",
    "{B} nest on the {p} cliffs until {M}; the keeper asks visitors to stay below the cairns.",
    "On the moor behind the landing grow {P}, which the islanders dry and burn against damp.",
    "They call the {p} wind {w}, and count three calm days whenever it has blown for nine.",
    "The houses are built of {s} and turned away from the {p}, with one door and no latch.",
    "{c} from {n} are traded as far as {m}, two for a measure of salt.",
    "In {M} the whole island keeps {f}, at which strangers are fed first and asked nothing.",
    "The bell at the landing is rung once for mail, twice for guests and three times for {B}.",
    "There is no road; distances are given in lamps, and the far shore is {l} lamps away.",
)
CLOSINGS = (
    "Lodging is with the keeper, for {g} or a day of peat cutting.",
    "Take {g} back with you; the islanders think it rude to leave with empty hands.",
    "Sleep at the landing house, eat the {g}, and leave with the morning tide.",
)


def _draw_name(draw: Draw, seen: set[str]) -> str:
    while True:
        name = draw.pick(HEADS) + draw.pick(MIDDLES) + draw.pick(TAILS)
        if name not in seen:
            seen.add(name)
            return name


def generate(seed: int = 3407, n_train: int = 240, n_valid: int = 24, n_test: int = 48) -> Iterator[SourceRow]:
    """Yield ``{"text", "split"}`` in the order train, valid, test; every entry is of an island of its own.

    Raises:
        GaslampError: a size below 0, or more rows than there are names (about 3,000).
    """
    counts = (n_train, n_valid, n_test)
    if min(counts) < 0 or sum(counts) > 3000:
        raise GaslampError(
            "the number of rows cannot be negative, or above 3000", "set n_train, n_valid and n_test to 0 or more"
        )
    draw, seen = Draw(seed), set[str]()
    mainland = "Harrow Sound"
    for split, count in zip(SPLITS, counts, strict=True):
        for _ in range(count):
            name = _draw_name(draw, seen)
            stone, plants, goods, craft = draw.pick(STONES), draw.pick(PLANTS), draw.pick(GOODS), draw.pick(CRAFTS)
            sentences = [draw.pick(OPENINGS), *draw.shuffle(BODIES)[: 5 + draw.below(3)], draw.pick(CLOSINGS)]
            text = " ".join(
                sentence.format(
                    n=name,
                    m=mainland,
                    s=stone,
                    P=plants,
                    g=goods,
                    c=craft.capitalize(),
                    f=draw.pick(FEASTS),
                    w=draw.pick(WINDS),
                    d=2 + draw.below(30),
                    l=2 + draw.below(18),
                    p=draw.pick(POINTS),
                    M=draw.pick(MONTHS),
                    o=draw.pick(("before", "after", "during")),
                    B=(draw.pick(BIRDS).capitalize() if sentence.startswith("{B}") else draw.pick(BIRDS)),
                )
                for sentence in sentences
            )
            yield {"text": f"{name.upper()}. {text}", "split": split}
