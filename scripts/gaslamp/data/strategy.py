"""data_strategy.md: the card in words, for whoever reads a project without opening a browser."""

from __future__ import annotations

import re

from gaslamp.core.contracts import Card
from gaslamp.core.decisions import find_decision
from gaslamp.data.card import describe_rows

SPLITS = ("train", "valid", "test")
LEARNED = {
    "conversation": "the answers and the token that ends them, not the prompts",
    "preference": "the better and the worse answer of each pair, not the prompts",
    "rating": "the rated answers, not the prompts",
    "prompt": "no token of the rows: the model's own answers are scored by the rewards",
    "pair": "no single tokens: the embeddings of texts that belong together move closer",
    "text": "every token of the text and the token that ends it",
}


def render_strategy(card: Card, example: str) -> str:
    """The Markdown text.

    Args:
        card: data/card.json.
        example: one training row as the model sees it (template.json's example_text).
    """
    fence = "~" * (1 + max(3, *(len(run) for run in re.findall("~+", example)), 3))  # longer than any in the row
    rows = "\n".join(
        f"| {split} | {card.rows[split]:,} | `data/{split}.jsonl` | `{card.sha256[split][:12]}` |" for split in SPLITS
    )
    mapping = "\n".join(f"| {role} | `{column}` |" for role, column in card.columns.items())
    lengths = "\n".join(
        f"| {key} | {v['p50']:.0f} | {v['p95']:.0f} | {v['max']:.0f} |" for key, v in card.tokens.items()
    )
    warnings = "\n".join(f"- {_escape(text)}" for text in card.warnings) or "- nothing"
    checks = "\n".join(
        f"| {check['verdict']} | {check['title']} (`{check['name']}`) | {check['count']:,} | {check['severity']} "
        f"above {check['max_percentage']:g} % |"
        for check in card.checks
    )
    classes = "\n".join(
        f"| {_escape(name)} | " + " | ".join(f"{counts[split]:,}" for split in SPLITS) + " |"
        for name, counts in card.classes.items()
    )
    table = f"\n| answer | train | valid | test |\n|---|---|---|---|\n{classes}\n" if classes else ""
    rehearsal = card.rows.get("rehearsal", 0)
    unused = render_unused(card)
    decision = find_decision(card.decisions, "max_length")
    chosen = f" (auto: {decision.reason})" if decision else ""
    kept = (
        f"\n\n{rehearsal} of the training rows are general chat data (`data.rehearsal`): they keep what the model "
        "could do before."
        if rehearsal
        else ""
    )
    power = f"\n\n{card.power[:1].upper()}{card.power[1:]}." if card.power else ""
    return f"""# Data strategy

`{card.source}` was read as **{card.format}** and became {card.kind} rows: {describe_rows(card.rows)}.
The same with pictures: `data/report.html`.

| role | your column |
|---|---|
{mapping}
{unused}
| split | rows | file | sha256 |
|---|---|---|---|
{rows}
{table}
Rows are divided by the hash of their prompt, so that the same prompt never stands in two splits and no row moves when
others are added. A `split` column in the file is used; rows of one `data.group` stay together.{kept}{power}

## What is learnt

Of the training rows {card.trained_tokens:,} tokens carry loss: {LEARNED.get(card.kind, "see the data page")}.

| tokens | half of the rows up to | 95 % up to | longest |
|---|---|---|---|
{lengths}

`train.max_length` is {card.max_length:,}{chosen}.
{card.truncated:,} rows are longer and are left out of training, none is cut.

## Worth a look

{warnings}

## Checks

| verdict | check | found | |
|---|---|---|---|
{checks}

A check that blocks leaves no file behind; what each looks for, and its fix: the data page.
Thresholds: `data.checks` in `config.yaml`.

## One row as the model sees it

{fence}text
{example}
{fence}

On disk: `data/train.jsonl`, `data/valid.jsonl`, `data/test.jsonl`, `data/template.json`, `data/card.json`,
`data/report.html`.
"""


def render_unused(card: Card) -> str:
    """The columns that nothing reads, as Markdown; empty when all are read."""
    if not card.unused:
        return ""
    names = ", ".join(
        f"`{name}`" + (" (holds information)" if informative else "") for name, informative in card.unused.items()
    )
    return f"\nNot learnt: {names}.\n"


def _escape(text: str) -> str:
    """Text of the user's file as plain words in Markdown."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))
