"""The data phase: read, find the format, convert, check, split, and record what was done. Nothing is written unless all is right."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from gaslamp import registry
from gaslamp.console import say
from gaslamp.contracts import Card, ModelFacts, Provenance
from gaslamp.data.checking import Check, Facts, Finding, Sample, get_messages, load_checks, run_checks, stop_on_blocks
from gaslamp.data.encode import encode_row, get_example
from gaslamp.data.readers import Placed, read_rows
from gaslamp.data.splitting import get_position
from gaslamp.errors import GaslampError
from gaslamp.files import read_jsonl, sha256_path, sha256_text, write_jsonl, write_text
from gaslamp.rows import Row, adapt, can_adapt, get_prompt, get_question, get_reference
from gaslamp.template import Renderer, build_template

SPLITS = ("train", "valid", "test")
MINIMUM_ROWS = 10
REHEARSAL = Path(__file__).parent.parent / "embedded" / "rehearsal.jsonl"


@dataclass
class Item:
    """One converted row on its way to a split."""

    place: str
    row: Row  # the keys of its kind, tools, columns
    split: str | None
    slice: str | None
    group: str | None = None

    @property
    def key(self) -> bytes:
        """Hash of the group, else of what is asked: rows that share it go to the same split."""
        return get_question(self.row) if self.group is None else hashlib.blake2b(f"group:{self.group}".encode(), digest_size=16).digest()

    @property
    def id(self) -> str:
        """Hash of the whole row, 16 hex digits."""
        core = {key: value for key, value in self.row.items() if key != "columns"}
        return sha256_text(json.dumps(core, ensure_ascii=False))[:16]


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
    method = registry.get("methods", settings.method)
    max_length = settings.train.max_length
    checks = load_checks({"too_long": {"max_percentage": 100 * data.max_truncated}, **{name: own.model_dump() for name, own in data.checks.items()}})
    rows, name = _read_source(data.source, checks["unreadable"])
    stop_on_blocks(checks)
    format_name, plugin, mapping = _find_format(rows, data.format, data.columns)
    kind = _choose_kind(plugin.KIND, method, settings.method)
    items, duplicates = _convert(rows, plugin, mapping, kind, data, method, checks)
    facts = Facts(kind, settings.method, max_length)
    run_checks(checks, "row", [Sample(item.place, item.row) for item in items], len(items), facts)
    stop_on_blocks(checks)
    say(f"{len(rows)} rows read as {format_name}, {duplicates} exact duplicates left out")
    splits, warnings = _split(items, data.split)
    if duplicates:
        warnings.append(f"{duplicates} exact duplicates were left out")
    run_checks(checks, "set", [Sample(item.place, item.row, split) for split in SPLITS for item in splits[split]], len(items), facts)
    stop_on_blocks(checks)

    template = build_template(model.path, get_example(splits["train"][0].row))
    renderer = Renderer.load(model.path, template)
    rehearsal = _get_rehearsal(round(data.rehearsal * len(splits["train"]))) if kind == "conversation" else []
    # ours, not the user's: one that is too long for his max_length is no reason to stop
    rehearsal = [item for item in rehearsal if len(renderer.encode(item.row["messages"]).ids) <= max_length]
    splits["train"] += rehearsal
    encoded = {split: [encode_row(renderer, item.row) for item in splits[split]] for split in SPLITS}
    facts = Facts(kind, settings.method, max_length, {}, tuple(template.stop_ids), template.bos_id)
    for split in SPLITS:
        samples = [Sample(i.place, i.row, split, e.ids, e.trained) for i, e in zip(splits[split], encoded[split], strict=True)]
        run_checks(checks, "encoded", samples, 0 if split == "test" else len(samples), facts)
    stop_on_blocks(checks)
    truncated = checks["too_long"].count
    if truncated:
        warnings.append(f"{truncated} rows are longer than train.max_length = {max_length}: they are left out of training")
    warnings += get_messages({name: check for name, check in checks.items() if name != "too_long"})

    for split in SPLITS:
        write_jsonl(outputs[split], [_get_row(item) for item in splits[split]])
    template.write(outputs["template"])
    every = [row for split in SPLITS for row in encoded[split]]
    card = Card(
        source=name,
        format=format_name,
        kind=kind,
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
        checks=[check.dump() for check in checks.values()],
        answers=_get_answer_kind(splits["test"]),
        system=_get_shared_system(splits["test"]),
        provenance=Provenance.start([model_file], settings.dump()),
    )
    write_text(outputs["strategy"], _render_strategy(card, template.example_text))
    card.write(outputs["card"])
    say(", ".join(f"{len(splits[split])} {split}" for split in SPLITS) + f"; rows of {card.tokens['total']['p50']:.0f} tokens, at most {card.tokens['total']['max']:.0f}")
    return card


def _read_source(source: str, unreadable: Check) -> tuple[list[Placed], str]:
    if source.startswith("embedded:"):
        module = registry.get("embedded", source.removeprefix("embedded:"))
        return [(f"{source}, row {number}", row) for number, row in enumerate(module.generate(), 1)], source
    problems: list[str] = []
    rows = read_rows(Path(source).expanduser(), problems)
    unreadable.add((Finding(*problem.split(": ", 1)) for problem in problems), len(rows) + len(problems))
    if not problems and len(rows) < MINIMUM_ROWS:
        raise GaslampError(
            f"{source} has {len(rows)} rows; training, validation and test need at least {MINIMUM_ROWS}",
            "add rows: a few hundred good ones make a visible difference",
        )
    return rows, source


def _choose_kind(found: str, method: ModuleType, name: str) -> str:
    """The kind of row that is written: what the format gives when the method takes it, else what it can be made into."""
    if found in method.KINDS:
        return found
    kind: str | None = next((kind for kind in method.KINDS if can_adapt(found, kind)), None)
    if kind is None:
        raise GaslampError(f"the data holds {found} rows, but the method {name} needs {method.NEEDS}", "choose a method that fits the data, or other data")
    return kind


def _find_format(rows: list[Placed], wanted: str, columns: dict[str, str]) -> tuple[str, ModuleType, dict[str, str]]:
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


def _convert(
    rows: list[Placed], plugin: ModuleType, mapping: dict[str, str], kind: str, data: Any, method: ModuleType, checks: dict[str, Check]
) -> tuple[list[Item], int]:
    items: dict[str, Item] = {}
    wrong_types, wrong_rows = [], []
    used = {*mapping.values(), data.slice, data.group, "split"}
    for place, row in rows:
        try:
            converted = adapt(_add_system(plugin.convert(row, mapping), data.system), kind)
        except (ValueError, KeyError) as error:
            wrong_types.append(Finding(place, str(error)))
            continue
        wrong = method.validate(converted)
        wrong_rows += [Finding(place, text) for text in wrong]
        if wrong:
            continue
        rest = {key: value for key, value in row.items() if key not in used and isinstance(value, str | int | float | bool)}
        if rest:
            converted["columns"] = rest
        given, value, group = row.get("split"), row.get(data.slice), row.get(data.group)
        item = Item(
            place,
            converted,
            given if given in SPLITS else None,
            str(value) if isinstance(value, str | int | bool) else None,
            str(group) if isinstance(group, str | int | bool) else None,
        )
        items.setdefault(item.id, item)
    checks["wrong_types"].add(wrong_types, len(rows))
    checks["method_rows"].add(wrong_rows, len(rows))
    return list(items.values()), len(rows) - len(items) - len(wrong_types) - len({finding.place for finding in wrong_rows})


def _add_system(row: Row, system: str | None) -> Row:
    """``row`` with data.system in front where it has no system turn of its own."""
    key = "messages" if "messages" in row else "prompt"
    turns = row.get(key)
    if system and isinstance(turns, list) and turns and turns[0]["role"] != "system":
        return {**row, key: [{"role": "system", "content": system}, *turns]}
    return row


def _split(items: list[Item], split: Any) -> tuple[dict[str, list[Item]], list[str]]:
    """By the hash of the prompt and the seed, so that rows never move when others come; a ``split`` column is obeyed."""
    warnings: list[str] = []
    result: dict[str, list[Item]] = {name: [] for name in SPLITS}
    if all(item.split for item in items):
        for item in items:
            result[str(item.split)].append(item)
    else:
        position = {id(item): get_position(item.key, split.seed) for item in items}
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
    return [Item(f"rehearsal, row {number}", {"messages": row["messages"]}, "train", None) for number, row in enumerate(rows, 1)]


def _get_row(item: Item) -> dict[str, Any]:
    return {"id": item.id, **item.row} | ({"slice": item.slice} if item.slice is not None else {})


def _get_spread(values: list[int]) -> dict[str, float]:
    ordered = sorted(values)
    return {"p50": ordered[len(ordered) // 2], "p95": ordered[int(len(ordered) * 0.95)], "max": ordered[-1]}


def _count(values: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return counts


def _get_shared_system(items: list[Item]) -> str | None:
    asked = [get_prompt(item.row) for item in items]
    prompts = {turns[0]["content"] if turns and turns[0]["role"] == "system" and isinstance(turns[0]["content"], str) else None for turns in asked}
    return prompts.pop() if len(prompts) == 1 else None


def _get_answer_kind(items: list[Item]) -> Any:
    def is_json(text: str) -> bool:
        try:
            return isinstance(json.loads(text), dict | list)
        except json.JSONDecodeError:
            return False

    answers = [answer for item in items if (answer := get_reference(item.row)) is not None]
    return "json" if answers and all(is_json(answer) for answer in answers) else "text"


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
