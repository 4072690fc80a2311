"""Changes of the config that findings of a training propose, each from what the training did."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gaslamp.config.methods import get_preset
from gaslamp.core.finding import Change, Remedy

if TYPE_CHECKING:
    from gaslamp.train.history import History

STEP = 3.0
"""Factor by which a learning rate is moved where no preset lies on the way."""
MOST_EPOCHS = 1000
"""As train.epochs allows."""


def round_rate(rate: float) -> float:
    """Two significant digits: what a person would write."""
    return float(f"{rate:.1e}")


def _get_usual_rate(history: History) -> float | None:
    """The preset of the method for a model of this size."""
    if history.plugin is None:
        return None
    preset = get_preset(history.method, str(history.get_setting("adapter") or "lora"), history.parameters)
    rate = preset.get("learning_rate")
    return float(rate) if rate else None


def lower_rate(history: History) -> list[Remedy]:
    """A lower learning rate: the preset where it is far below, else a third."""
    rate, usual = history.get_setting("learning_rate"), _get_usual_rate(history)
    if not rate:
        return []
    new = round_rate(usual if usual and usual * STEP <= rate else rate / STEP)
    why = f"the usual one of {history.method} for this model" if new == usual else "a third of it"
    change = Change(key="train.learning_rate", before=rate, value=new)
    return [Remedy(action=f"lower the learning rate to {why}", effect="the loss falls steadily", changes=[change])]


def raise_rate(history: History) -> list[Remedy]:
    """A higher learning rate: the preset where it is far above, else three times as much."""
    rate, usual = history.get_setting("learning_rate"), _get_usual_rate(history)
    if not rate:
        return []
    new = min(1.0, round_rate(usual if usual and usual >= rate * STEP else rate * STEP))
    if new <= rate:
        return []
    why = f"the usual one of {history.method} for this model" if new == usual else f"{STEP:g} times as much"
    change = Change(key="train.learning_rate", before=rate, value=new)
    return [Remedy(action=f"raise the learning rate to {why}", effect="the loss falls", changes=[change])]


def get_length(history: History) -> tuple[str, float]:
    """The key that decides how long it trains, and its value in effect."""
    steps = history.get_setting("max_steps")
    if steps:
        return "train.max_steps", float(steps)
    return "train.epochs", float(history.epochs or history.get_setting("epochs") or 1)


def _write(value: float) -> int | float:
    return int(value) if float(value).is_integer() else round(value, 2)


def train_until(history: History, step: int) -> list[Change]:
    """Fewer steps or epochs: so many that ``step`` is among them."""
    key, now = get_length(history)
    if key == "train.max_steps":
        new = float(max(1, step))
    else:
        planned = history.max_steps or step
        new = max(1.0, math.ceil(now * step / planned)) if now > 1 else round(max(0.1, now * step / planned), 1)
    return [Change(key=key, before=_write(now), value=_write(new))] if new < now else []


def train_longer(history: History, factor: float = 2.0) -> list[Remedy]:
    """More epochs or steps."""
    key, now = get_length(history)
    new = min(now * factor, MOST_EPOCHS) if key == "train.epochs" else now * factor
    if new <= now:
        return []
    change = Change(key=key, before=_write(now), value=_write(new))
    what = "epochs" if key == "train.epochs" else "steps"
    return [Remedy(action=f"train for more {what}", effect="the loss falls further", changes=[change])]


def keep_best(history: History) -> list[Change]:
    """Keep the weights of the lowest validation loss, where the last ones are kept today."""
    if history.get_setting("keep") != "last" or not history.has("valid_loss"):
        return []
    return [Change(key="train.keep", before="last", value="best")]


def change_option(history: History, name: str, value: float | int, action: str, effect: str) -> list[Remedy]:
    """Another value of an option of the method; nothing where the method has no such option or that value already."""
    before = history.get_setting(f"options.{name}")
    if before is None or before == value:
        return []
    change = Change(key=f"train.options.{name}", before=before, value=value)
    return [Remedy(action=action, effect=effect, changes=[change])]
