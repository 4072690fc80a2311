"""Supervised fine-tuning: learn to give the answers of the rows. The method to start with when there are examples."""

from __future__ import annotations

from typing import Any

from gaslamp.rows import Row

KINDS = ("conversation",)
NEEDS = "rows with what is asked and what shall be answered (messages, prompt + completion, question + answer, Alpaca)"


def validate(row: Row) -> list[str]:
    """What is wrong with one converted row, as short phrases; empty when nothing is."""
    problems = []
    messages = row["messages"]
    roles = [message["role"] for message in messages]
    unknown = sorted(set(roles) - {"system", "user", "assistant"})
    if unknown:
        problems.append(f"unknown role {', '.join(unknown)} (known: system, user, assistant)")
    turns = roles[1:] if roles[:1] == ["system"] else roles
    if not unknown and turns != ["user", "assistant"] * (len(turns) // 2):
        problems.append(f"turns must alternate user, assistant and end with assistant, found {', '.join(roles)}")
    problems += [f"empty {m['role']} turn" for m in messages if m["role"] != "system" and not m["content"].strip()]
    return problems


def get_trainer(model: Any, tokenizer: Any, train: Any, valid: Any, arguments: dict[str, Any], callbacks: list[Any]) -> Any:
    """TRL's trainer on rows that are already tokens: ``train`` and ``valid`` are datasets with input_ids and labels.

    The labels come from gaslamp.template, so that what is learnt is what was recorded and checked.
    """
    from trl import SFTConfig, SFTTrainer

    return SFTTrainer(
        model=model,
        args=SFTConfig(**arguments),
        train_dataset=train,
        eval_dataset=valid,
        processing_class=tokenizer,
        callbacks=callbacks,
    )
