"""The data phase: read, find the format, convert, check, split, and record what was done. Nothing is written unless all is right."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from gaslamp import registry
from gaslamp.console import say
from gaslamp.contracts import Card, ModelFacts, Provenance
from gaslamp.data.readers import Row, read_rows
from gaslamp.errors import GaslampError
from gaslamp.files import read_jsonl, sha256_path, sha256_text, write_jsonl, write_text
from gaslamp.template import Encoded, Renderer, build_template

SPLITS = ("train", "valid", "test")
MINIMUM_ROWS = 10
REHEARSAL = Path(__file__).parent.parent / "embedded" / "rehearsal.jsonl"
SHOWN = 20  # problems listed; the rest is counted


@dataclass
class Item:
    """One converted row on its way to a split."""

    place: str
    messages: list[dict[str, str]]
    split: str | None
    slice: str | None

    @property
    def prompt_key(self) -> str:
        """Hash of everything before the last answer: rows that ask the same go to the same split."""
        return sha256_text(json.dumps(self.messages[:-1], ensure_ascii=False))

    @property
    def id(self) -> str:
        """Hash of the whole row, 16 hex digits."""
        return sha256_text(json.dumps(self.messages, ensure_ascii=False))[:16]


def prepare_data(settings: Any, model_file: Path, outputs: dict[str, Path]) -> Card:
    """Make data/ from data.source.

    Args:
        settings: slice with method, data and train.max_length.
        model_file: model.json of the base model (its tokenizer and template decide lengths and masks).
        outputs: paths for train, valid, test, template, card, strategy.

    Raises:
        GaslampError: every problem found, with file, line and fix; no output exists then.
    """
    data = settings.data
    model = ModelFacts.read(model_file)
    rows, name = _read_source(data.source)
    format_name, plugin, mapping = _find_format(rows, data.format, data.columns)
    items, duplicates = _convert(rows, plugin, mapping, data, registry.get("methods", settings.method))
    say(f"{len(rows)} rows read as {format_name}, {duplicates} exact duplicates left out")
    splits, warnings = _split(items, data.split)
    if duplicates:
        warnings.append(f"{duplicates} exact duplicates were left out")

    template = build_template(model.path, splits["train"][0].messages)
    renderer = Renderer.load(model.path, template)
    rehearsal = _get_rehearsal(round(data.rehearsal * len(splits["train"])))
    # ours, not the user's: one that is too long for his max_length is no reason to stop
    rehearsal = [item for item in rehearsal if len(renderer.encode(item.messages).ids) <= settings.train.max_length]
    splits["train"] += rehearsal
    encoded = _encode(renderer, splits)
    max_length = settings.train.max_length
    truncated = _check_lengths(splits, encoded, max_length, data.max_truncated, template.stop_ids)
    if truncated:
        warnings.append(f"{truncated} rows are longer than train.max_length = {max_length}: they are left out of training")

    for split in SPLITS:
        write_jsonl(outputs[split], [_get_row(item) for item in splits[split]])
    template.write(outputs["template"])
    every = [row for split in SPLITS for row in encoded[split]]
    card = Card(
        source=name,
        format=format_name,
        mapping=mapping,
        rows={
            **{split: len(splits[split]) for split in SPLITS},
            "read": len(rows),
            "dropped_duplicates": duplicates,
            "rehearsal": len(rehearsal),
        },
        sha256={split: sha256_path(outputs[split]) for split in SPLITS},
        tokens={
            "total": _get_spread([len(row.ids) for row in every]),
            "prompt": _get_spread([len(row.ids) - sum(row.trained) for row in every]),
            "completion": _get_spread([sum(row.trained) for row in every]),
        },
        trained_tokens=sum(sum(row.trained) for row in encoded["train"]),
        max_length=max_length,
        truncated=truncated,
        slices=_count(item.slice for item in splits["test"] if item.slice is not None),
        warnings=warnings,
        answers=_get_answer_kind(splits["test"]),
        system=_get_shared_system(splits["test"]),
        provenance=Provenance.start([model_file], settings.dump()),
    )
    write_text(outputs["strategy"], _render_strategy(card, template.example_text))
    card.write(outputs["card"])
    say(", ".join(f"{len(splits[split])} {split}" for split in SPLITS) + f"; rows of {card.tokens['total']['p50']:.0f} tokens, at most {card.tokens['total']['max']:.0f}")
    return card


def _read_source(source: str) -> tuple[list[Row], str]:
    if source.startswith("embedded:"):
        module = registry.get("embedded", source.removeprefix("embedded:"))
        return [(f"{source}, row {number}", row) for number, row in enumerate(module.generate(), 1)], source
    problems: list[str] = []
    rows = read_rows(Path(source).expanduser(), problems)
    if problems:
        raise _collect(problems, f"mend these lines in {source}; the file itself was not changed")
    if len(rows) < MINIMUM_ROWS:
        raise GaslampError(
            f"{source} has {len(rows)} rows; training, validation and test need at least {MINIMUM_ROWS}",
            "add rows: a few hundred good ones make a visible difference",
        )
    return rows, source


def _collect(problems: list[str], fix: str, less_likely: str | None = None) -> GaslampError:
    shown = "\n".join(f"    - {problem}" for problem in problems[:SHOWN])
    more = f"\n    ... and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return GaslampError(f"{count} in the data; nothing was written\n{shown}{more}", fix, less_likely)


def _find_format(rows: list[Row], wanted: str, columns: dict[str, str]) -> tuple[str, ModuleType, dict[str, str]]:
    first = [row for _, row in rows[:20]]
    names = list(first[0])
    candidates = [wanted] if wanted != "auto" else ["messages", *(n for n in registry.names("formats") if n != "messages")]
    if columns:
        missing = sorted(set(columns.values()) - set(names))
        if missing:
            raise GaslampError(
                f"data.columns names {', '.join(missing)}, but the columns are: {', '.join(names)}", "correct data.columns in config.yaml"
            )
        if wanted == "auto":
            candidates = ["messages" if "messages" in columns else "alpaca" if "instruction" in columns else "prompt_completion"]
    for name in candidates:
        plugin = registry.get("formats", name)
        mapping = {**(plugin.detect(names, first) or {}), **columns}
        if mapping and (columns or plugin.detect(names, first)):
            return name, plugin, mapping
    known = "\n".join(f"      {name}: {registry.get('formats', name).EXAMPLE}" for name in registry.names("formats"))
    shown = json.dumps(first[0], ensure_ascii=False, default=str)[:300]
    raise GaslampError(
        f"no format fits the columns {', '.join(names) or '(none)'}\n    first row: {shown}\n    formats that are found by themselves:\n{known}",
        'say which column is what in config.yaml: data.columns: {prompt: "your column", completion: "your other column"}',
        "the file has no header line: add one",
    )


def _convert(rows: list[Row], plugin: ModuleType, mapping: dict[str, str], data: Any, method: ModuleType) -> tuple[list[Item], int]:
    problems: list[str] = []
    items: dict[str, Item] = {}
    for place, row in rows:
        try:
            messages = plugin.convert(row, mapping)
        except (ValueError, KeyError) as error:
            problems.append(f"{place}: {error}")
            continue
        if data.system and messages[0]["role"] != "system":
            messages = [{"role": "system", "content": data.system}, *messages]
        wrong = method.validate(messages)
        problems += [f"{place}: {text}" for text in wrong]
        if wrong:
            continue
        given = row.get("split")
        value = row.get(data.slice)
        item = Item(place, messages, given if given in SPLITS else None, str(value) if isinstance(value, str | int | bool) else None)
        items.setdefault(item.id, item)
    if problems:
        raise _collect(problems, "mend these rows in your file", f"the columns mean something else: this was read as {mapping}, set data.columns")
    return list(items.values()), len(rows) - len(items)


def _split(items: list[Item], split: Any) -> tuple[dict[str, list[Item]], list[str]]:
    """By the hash of the prompt and the seed, so that rows never move when others come; a ``split`` column is obeyed."""
    warnings: list[str] = []
    result: dict[str, list[Item]] = {name: [] for name in SPLITS}
    if all(item.split for item in items):
        for item in items:
            result[str(item.split)].append(item)
    else:
        position = {id(item): int(sha256_text(f"{split.seed}:{item.prompt_key}")[:12], 16) / 16**12 for item in items}
        order = sorted(items, key=lambda item: position[id(item)])
        # a small file must still be tested: at least 5 rows, or a fifth of a tiny file
        least = max(2, min(5, len(items) // 5))
        border = position[id(order[least - 1])]
        tests = {id(item) for item in order if position[id(item)] < split.test or position[id(item)] <= border}
        valids = {id(item) for item in order if split.test <= position[id(item)] < split.test + split.valid} - tests
        if not valids and split.valid > 0:
            valids = {id(next(item for item in order if id(item) not in tests))}
        for item in items:
            result["test" if id(item) in tests else "valid" if id(item) in valids else "train"].append(item)
        result["test"].sort(key=lambda item: position[id(item)])
        if len(result["test"]) > split.max_test:
            warnings.append(f"{len(result['test']) - split.max_test} test rows over data.split.max_test were left out; lower data.split.test to train on them")
            result["test"] = result["test"][: split.max_test]
    trained = {item.prompt_key: item.place for item in (*result["train"], *result["valid"])}
    leaks = [f"{item.place} asks the same as {trained[item.prompt_key]}" for item in result["test"] if item.prompt_key in trained]
    if leaks:
        raise _collect([f"test row stands in training too: {leak}" for leak in leaks], "remove one of each pair, or the split column")
    if not result["train"] or not result["test"]:
        raise GaslampError("the split left no rows for training or test", "add rows, or change data.split")
    if len(result["test"]) < 50:
        warnings.append(f"only {len(result['test'])} test rows: scores will have wide intervals")
    return result, warnings


def _get_rehearsal(count: int) -> list[Item]:
    """Up to ``count`` of the shipped general rows, for training only.

    Measured on the embedded task: without them the tuned model answered 4 of 40 general questions (base: 22) and put
    most answers into JSON; with 5 % of them it answered 20 to 24, at the same score on the task.
    """
    rows = list(read_jsonl(REHEARSAL))[:count]
    return [Item(f"rehearsal, row {number}", row["messages"], "train", None) for number, row in enumerate(rows, 1)]


def _encode(renderer: Renderer, splits: dict[str, list[Item]]) -> dict[str, list[Encoded]]:
    return {name: [renderer.encode(item.messages) for item in items] for name, items in splits.items()}


def _check_lengths(
    splits: dict[str, list[Item]], encoded: dict[str, list[Encoded]], max_length: int, allowed: float, stop_ids: list[int]
) -> int:
    """Rows that do not fit, have nothing to learn, or do not learn to stop; returns how many are too long."""
    problems, long = [], []
    count = 0
    for split in ("train", "valid"):
        for item, row in zip(splits[split], encoded[split], strict=True):
            count += 1
            if not any(row.trained):
                problems.append(f"{item.place}: no token of it would be learnt")
            elif not any(token in stop_ids for token, trained in zip(row.ids, row.trained, strict=True) if trained):
                problems.append(f"{item.place}: its answer holds no end token, the model would not learn to stop")
            if len(row.ids) > max_length:
                long.append(f"{item.place}: {len(row.ids)} tokens")
    if problems:
        raise _collect(problems, "mend these rows")
    if len(long) > allowed * count:
        longest = max(len(row.ids) for rows in encoded.values() for row in rows)
        raise _collect(
            long,
            f"set train.max_length to {longest} in config.yaml (more memory and time), or shorten these rows",
            f"allow it: data.max_truncated: {round(len(long) / count + 0.005, 2)} leaves such rows out of training",
        )
    return len(long)


def _get_row(item: Item) -> dict[str, Any]:
    row: dict[str, Any] = {"id": item.id, "messages": item.messages}
    return row | ({"slice": item.slice} if item.slice is not None else {})


def _get_spread(values: list[int]) -> dict[str, float]:
    ordered = sorted(values)
    return {"p50": ordered[len(ordered) // 2], "p95": ordered[int(len(ordered) * 0.95)], "max": ordered[-1]}


def _count(values: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return counts


def _get_shared_system(items: list[Item]) -> str | None:
    prompts = {item.messages[0]["content"] if item.messages[0]["role"] == "system" else None for item in items}
    return prompts.pop() if len(prompts) == 1 else None


def _get_answer_kind(items: list[Item]) -> Any:
    def is_json(text: str) -> bool:
        try:
            return isinstance(json.loads(text), dict | list)
        except json.JSONDecodeError:
            return False

    return "json" if all(is_json(item.messages[-1]["content"]) for item in items) else "text"


def _render_strategy(card: Card, example: str) -> str:
    fence = "~" * (1 + max(3, *(len(run) for run in re.findall("~+", example)), 3))  # longer than any in the row
    rows = "\n".join(f"| {split} | {card.rows[split]} | `{card.sha256[split][:12]}` |" for split in SPLITS)
    mapping = ", ".join(f"{role} = `{column}`" for role, column in card.mapping.items())
    lengths = "\n".join(f"| {key} | {v['p50']:.0f} | {v['p95']:.0f} | {v['max']:.0f} |" for key, v in card.tokens.items())
    warnings = "\n".join(f"- {text}" for text in card.warnings) or "- no warnings"
    return f"""# Data strategy

Source: `{card.source}`, read as **{card.format}** ({mapping}). {card.rows["read"]} rows were read.

| split | rows | sha256 |
|---|---|---|
{rows}

Rows are divided by the hash of their prompt, so that the same question never stands in two splits and no row moves when
others are added. A `split` column in the file is obeyed.

| tokens | half of the rows up to | 95 % up to | longest |
|---|---|---|---|
{lengths}

{card.trained_tokens} tokens of the training rows carry loss: the answers and the token that ends them, nothing of the prompt.

{card.rows["rehearsal"]} of the training rows are general talk (`data.rehearsal`): they keep what the model knew before.

## Checks

{warnings}
- every row converted, roles alternate, no empty turn
- no test prompt stands in training
- every answer holds the end token
- rows over {card.max_length} tokens: {card.truncated}

## One row as the model sees it

{fence}text
{example}
{fence}

On disk: `data/train.jsonl`, `data/valid.jsonl`, `data/test.jsonl`, `data/template.json`, `data/card.json`.
"""
