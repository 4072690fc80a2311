"""What the preset makes of the size of the base model: filled when the model is known, and recorded as decisions."""

from __future__ import annotations

from gaslamp.config.methods import get_preset, get_size_range, get_sized_keys
from gaslamp.config.preset_layers import BILLION
from gaslamp.config.slices import Slice, change_train
from gaslamp.core.decisions import Decision


def choose_by_size(settings: Slice, parameters: int, note: str = "") -> tuple[Slice, list[Decision]]:
    """Fill the keys of section ``train`` that the config leaves open and whose preset depends on the model's size.

    Args:
        settings: slice with method and train.
        parameters: of the base model.
        note: what else to say in the reasons, such as that the size is a guess.

    Returns:
        The settings without open keys, and a decision for each that was filled. A number in the config stays.
    """
    values = settings.dump()["train"]
    method, adapter = settings.method, values["adapter"]
    preset = get_preset(method, adapter, parameters)
    open_ = [key for key in preset if key in get_sized_keys(method, adapter) and values.get(key) is None]
    if not open_:
        return settings, []
    reason = f"preset of {method}{_describe_range(method, adapter, parameters)}{note}"
    decisions = [Decision(name=key, value=preset[key], reason=reason) for key in open_]
    return change_train(settings, {key: preset[key] for key in open_}), decisions


def _describe_range(method: str, adapter: str, parameters: int) -> str:
    low, high = get_size_range(method, adapter, parameters)
    ends = f"from {low:g} to {high:g}" if low and high else f"from {low:g}" if low else f"below {high:g}"
    trained = "every weight trained, " if adapter == "none" else ""
    return f" for models {ends} billion parameters ({trained}this one has {parameters / BILLION:.3g})"
