"""Facts about the training, in the language of the demo page."""

from __future__ import annotations

from gaslamp.core.console import get_duration, get_size
from gaslamp.core.contracts import ModelFacts, TrainFacts
from gaslamp.report.demo.scores import show_share


def get_training(train: TrainFacts, model: ModelFacts, t: dict[str, str]) -> list[tuple[str, str, str]]:
    """``(name, value, remark)`` of each fact about the training; what is not known is left out.

    Args:
        train, model: facts of the run.
        t: the words of the page's language.
    """
    valid = ""
    if train.valid_loss_first is not None and train.valid_loss_last is not None:
        valid = t["validation"].format(first=f"{train.valid_loss_first:.3g}", last=f"{train.valid_loss_last:.3g}")
    share = train.trainable_parameters / train.total_parameters
    resumed = t["no_interruption"] if train.attempts == 1 else t["attempts"].format(n=train.attempts)
    tokens, steps = f"{train.trained_tokens:,}", f"{train.steps:,}"
    facts = [
        (t["base_model"], model.name, model.license or ""),
        (t["size"], t["parameters"].format(n=f"{model.parameters / 1e6:,.1f}"), get_size(model.size_bytes)),
        (
            t["method"],
            t["method_on"].format(method=train.method.upper(), backend=train.backend),
            f"{train.device}, {train.dtype}",
        ),
        (
            t["trained_part"],
            t["parameters"].format(n=f"{train.trainable_parameters / 1e6:,.1f}"),
            t["of_all"].format(n=show_share(share)),
        ),
        (
            t["data"],
            t["data_rows"].format(n=f"{train.train_rows:,}", epochs=f"{train.epochs:g}"),
            t["data_tokens"].format(tokens=tokens, steps=steps)
            if train.trained_tokens
            else t["data_steps"].format(steps=steps),
        ),
        (t["time"], get_duration(train.seconds), resumed),
        (t["loss"], f"{train.loss_first:.3g} → {train.loss_last:.3g}", valid),
        (t["memory"], f"{train.peak_memory_gb:.1f} GB", t["speed"].format(n=f"{train.tokens_per_second:,.0f}")),
    ]
    return [fact for fact in facts if fact[1]]
