"""The data phase: read, find the format, convert, check, split, and record what was done. Nothing is written unless all
is right.

Rows stream: they are read, converted and checked chunk by chunk, by as many processes as pay, and go to a work folder;
memory holds 16 to 64 bytes of digests a row, and the test rows.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from gaslamp.core import registry
from gaslamp.core.console import say
from gaslamp.core.contracts import Card, ModelFacts, Provenance, Template
from gaslamp.core.decisions import Decision
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl, sha256_path, sha256_text, write_text
from gaslamp.data.checking import Check, Facts, Finding, Sample, get_messages, load_checks, run_checks, stop_on_blocks
from gaslamp.data.convert import SPLITS, Plan, convert_all, merge
from gaslamp.data.encode import encode_rows, get_example, split_row
from gaslamp.data.meaning.readings import show_mapping
from gaslamp.data.peek import Peek, get_unused, get_unused_warnings, peek
from gaslamp.data.rows import adapt, get_prompt, get_reference
from gaslamp.data.sources import Source, open_source
from gaslamp.data.spool import Spool
from gaslamp.data.strategy import render_strategy
from gaslamp.models.template import Encoded, Renderer, build_template

MINIMUM_ROWS = 10
REHEARSAL = Path(__file__).parent / "embedded" / "rehearsal.jsonl"
PARALLEL = 8 << 20  # bytes of source from which further processes pay
ENCODED = 256  # rows tokenized together


@dataclass
class Lengths:
    """Counts of how many tokens rows have: as small for a million rows as for ten."""

    total: Counter[int] = field(default_factory=Counter)
    prompt: Counter[int] = field(default_factory=Counter)
    completion: Counter[int] = field(default_factory=Counter)
    trained: int = 0  # tokens of the training rows that carry loss

    def add(self, encoded: list[Encoded], split: str) -> None:
        """Count the tokens of rows of one split."""
        for row in encoded:
            learnt = sum(row.trained)
            self.total[len(row.ids)] += 1
            self.completion[learnt] += 1
            self.prompt[len(row.ids) - learnt] += 1
            if split == "train":
                self.trained += learnt


def prepare_data(settings: Any, model_file: Path, outputs: dict[str, Path], kept: Path | None = None) -> Card:
    """Make data/ from data.source.

    Args:
        settings: slice with method, data and train.max_length.
        model_file: model.json of the base model (its tokenizer and template decide lengths and masks).
        outputs: paths for train, valid, test, template, card, strategy; images go to a folder beside train.
        kept: conversations that were kept by hand (make chat-eval): further test rows.

    Raises:
        GaslampError: every problem found, with file, line and fix; no output exists then.
    """
    data, max_length = settings.data, settings.train.max_length
    model = ModelFacts.read(model_file)
    wanted = get_check_settings(data)
    checks = load_checks(wanted)
    place = outputs["train"].parent
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".prepare.", dir=place) as work:
        spool, found, read, source = divide_rows(data, settings.method, max_length, checks, wanted, Path(work))
        facts = Facts(found.kind, settings.method, max_length)
        warnings = [*source.notes, *get_unused_warnings(found, data), *_get_split_warnings(spool)]
        by_hand = _add_kept(spool, kept, found.kind) if kept else 0
        if data.checks or any(check.stage == "set" for check in checks.values()):
            run_checks(checks, "set", spool, sum(spool.counts.values()), facts)
            stop_on_blocks(checks)

        example = next(spool.read("train"))
        template = build_template(model.path, get_example(example.row))
        renderer = Renderer.load(model.path, template)
        rehearsal = (
            _add_rehearsal(spool, renderer, round(data.rehearsal * spool.counts["train"]), max_length)
            if found.kind == "conversation"
            else 0
        )
        facts = replace(facts, stop_ids=tuple(template.stop_ids), bos_id=template.bos_id)
        lengths = encode_splits(spool, renderer, checks, facts)
        stop_on_blocks(checks)
        truncated = checks["too_long"].count
        if truncated:
            warnings.append(
                f"{truncated} rows are longer than train.max_length = {max_length}: they are left out of training"
            )
        warnings += get_messages(
            {name: check for name, check in checks.items() if name not in ("too_long", "exact_duplicates")}
        )
        card = Card(
            source=source.name,
            format=found.format,
            kind=found.kind,
            mapping=found.mapping,
            decisions=[Decision(name="meaning", value=found.meaning.reading.key, reason=found.meaning.reading.reason)],
            alternatives=[f"{reading.key}: {reading.reason}" for reading in found.meaning.readings[1:]],
            unused=get_unused(found, data),
            rows={
                **spool.counts,
                "read": read,
                "dropped_duplicates": spool.duplicates,
                "rehearsal": rehearsal,
                **({"kept": by_hand} if kept else {}),
            },
            sha256={split: sha256_path(Path(work) / f"{split}.jsonl") for split in SPLITS},
            tokens={name: get_spread(getattr(lengths, name)) for name in ("total", "prompt", "completion")},
            histogram=get_histogram(lengths.total),
            trained_tokens=lengths.trained,
            max_length=max_length,
            truncated=truncated,
            slices=dict(Counter(sample.row["slice"] for sample in spool.read("test") if "slice" in sample.row)),
            warnings=warnings,
            checks=[check.dump() for check in checks.values()],
            answers=_get_answer_kind(spool),
            system=_get_shared_system(spool),
            provenance=Provenance.start([model_file], settings.dump()),
        )
        _publish(Path(work), outputs, template, card)
    for warning in warnings:
        say(f"warning: {warning}")
    total = card.tokens["total"]
    say(
        ", ".join(f"{card.rows[split]} {split}" for split in SPLITS)
        + f"; rows of {total['p50']:.0f} tokens, at most {total['max']:.0f}"
    )
    return card


def get_check_settings(data: Any) -> dict[str, dict[str, Any]]:
    """data.checks as load_checks takes them, with the keys of data that are short for an option of a check."""
    wanted: dict[str, dict[str, Any]] = {"too_long": {"max_percentage": 100 * data.max_truncated}}
    if data.redact:
        wanted |= {name: {"options": {"redact": True}} for name in ("personal_data", "secrets")}
    for name, own in data.checks.items():
        values = own.model_dump()
        wanted[name] = {
            **wanted.get(name, {}),
            **values,
            "options": {**wanted.get(name, {}).get("options", {}), **values["options"]},
        }
    return wanted


def divide_rows(
    data: Any,
    method: str,
    max_length: int,
    checks: dict[str, Check],
    wanted: dict[str, Any],
    work: Path,
    processes: int | None = None,
) -> tuple[Spool, Peek, int, Source]:
    """Read, detect, convert, check each row, leave exact duplicates out, split, and write to ``work``.

    Args:
        data: the data section of the config.
        method, max_length: for the checks of rows.
        checks: take up what is found.
        wanted: settings of the checks, as load_checks takes them.
        work: an empty folder.
        processes: how many convert; None: as many as the machine has, when the source is large.

    Raises:
        GaslampError: with all findings, when a check blocks.
    """
    source = open_source(data)
    found = peek(data, method, source)
    prepares = hasattr(registry.get("methods", method), "prepare_row")  # it has threads, and a model, of its own
    plan = Plan(
        format=found.format,
        mapping=found.mapping,
        kind=found.kind,
        method=method,
        system=data.system,
        slice=data.slice,
        group=data.group,
        split_column=found.split_column,
        folder=str(source.folder),
        images=str(work / "images"),
        speech=_get_speech(data) if prepares else {},
        checks=wanted,
        facts=Facts(found.kind, method, max_length, folder=str(work)),
    )
    if processes is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        processes = min(cores, 8) if source.size > PARALLEL and not prepares else 1
    spool, read = None, 0
    for result in convert_all(source.chunks(), plan, processes):
        if result.error:
            raise GaslampError(*result.error)
        merge(checks, result)
        read += result.read
        if spool is None:
            spool = Spool(work, data.split, bool(found.split_column) or any(result.splits))
        spool.add(result)
    assert spool is not None
    spool.finish()
    if checks["exact_duplicates"].severity != "off":
        checks["exact_duplicates"].add((Finding(*twin) for twin in spool.find_repeated()), read)
        checks["exact_duplicates"].count = spool.duplicates
    stop_on_blocks(checks)
    if read < MINIMUM_ROWS:
        raise GaslampError(
            f"{source.name} has {read} rows; training, validation and test need at least {MINIMUM_ROWS}",
            "add rows: a few hundred good ones make a visible difference",
        )
    if not spool.counts["train"] or not spool.counts["test"]:
        fix = "add rows, or correct the split column" if spool.by_column else "add rows, or change data.split"
        raise GaslampError("the split left no rows for training or test", fix)
    say(
        f"{read} rows read as {found.format} ({show_mapping(found.mapping)}), {spool.duplicates} exact duplicates "
        "left out"
    )
    if unused := get_unused(found, data):
        say(f"columns that nothing reads: {', '.join(unused)}")
    return spool, found, read, source


def encode_splits(spool: Spool, renderer: Renderer, checks: dict[str, Check], facts: Facts) -> Lengths:
    """Tokenize every row as training will, count lengths, and call the checks that look at ids and masks."""
    lengths = Lengths()
    for split in SPLITS:
        encode_samples(spool.read(split), split, renderer, checks, facts, lengths)
    return lengths


def encode_samples(
    samples: Iterator[Sample],
    split: str,
    renderer: Renderer,
    checks: dict[str, Check],
    facts: Facts,
    lengths: Lengths | None = None,
) -> Lengths:
    """The rows of one split, a batch at a time; returns ``lengths`` with theirs added."""
    lengths = Lengths() if lengths is None else lengths
    while batch := list(islice(samples, ENCODED)):
        batch, encoded = encode_batch(renderer, batch, checks["unrenderable"])
        lengths.add(encoded, split)
        ready = [replace(sample, ids=row.ids, trained=row.trained) for sample, row in zip(batch, encoded, strict=True)]
        run_checks(checks, "encoded", ready, 0 if split == "test" else len(ready), facts)
    return lengths


def encode_batch(renderer: Renderer, batch: list[Sample], refused: Check) -> tuple[list[Sample], list[Encoded]]:
    """The samples that the template takes and their encoding; the others become findings of ``refused``."""
    import jinja2

    kept, pieces = [], []
    for sample in batch:
        try:
            pieces.append(split_row(renderer, sample.row))
            kept.append(sample)
        except GaslampError as error:
            refused.add([Finding(sample.place, error.cause, error.fix)])
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            refused.add([Finding(sample.place, f"the chat template of the model refuses it: {error}")])
    refused.seen += len(batch)
    return kept, encode_rows(renderer, pieces)


def _get_speech(data: Any) -> dict[str, Any]:
    """data.speech as plain values, of a config or of the slice that a rule passes."""
    values: dict[str, Any] = data.speech.model_dump() if hasattr(data.speech, "model_dump") else data.speech.dump()
    return values


def _get_split_warnings(spool: Spool) -> list[str]:
    warnings = []
    if spool.test_from_train:
        warnings.append(
            f"the source has no test rows: {spool.test_from_train} of its training rows are the test split "
            "(data.split.test is their share)"
        )
    if spool.dropped:
        warnings.append(
            f"{spool.dropped} test rows over data.split.max_test were left out; lower data.split.test to train on them"
        )
    if spool.counts["test"] < 50:
        count = spool.counts["test"]
        warnings.append(f"only {count} test row{'' if count == 1 else 's'}: scores will have wide intervals")
    if spool.duplicates:
        warnings.append(f"{spool.duplicates} exact duplicate{' was' if spool.duplicates == 1 else 's were'} left out")
    return warnings


def _add_kept(spool: Spool, file: Path, kind: str) -> int:
    """Append conversations that were kept by hand to the test rows, before the checks that look for leaks.

    Raises:
        GaslampError: rows of this kind cannot be made from a conversation.
    """
    import orjson

    count = 0
    for number, row in enumerate(read_jsonl(file), 1):
        line = {
            "id": f"kept-{sha256_text(str(row['messages']))[:12]}",
            "messages": row["messages"],
            "slice": row.get("slice", "kept by hand"),
        }
        try:
            spool.append("test", orjson.dumps(adapt(line, kind)) + b"\n", f"{file}, line {number}")
        except ValueError as error:
            raise GaslampError(
                f"{file}, line {number}: {error}", f"move {file} away: what was kept by hand serves another method"
            ) from error
        count += 1
    return count


def _add_rehearsal(spool: Spool, renderer: Renderer, count: int, max_length: int) -> int:
    """Append up to ``count`` of the shipped general rows to training; those that are too long for ``max_length`` are no
    reason to stop.

    Measured on the embedded task: without them the tuned model answered 4 of 40 general questions (base: 22) and put
    most answers into JSON; with 5 % of them it answered 20 to 24, at the same score on the task.
    """
    import orjson

    added = 0
    for number, row in enumerate(islice(read_jsonl(REHEARSAL), count), 1):
        if len(renderer.encode(row["messages"]).ids) <= max_length:
            spool.append(
                "train",
                orjson.dumps({"id": f"rehearsal-{number}", "messages": row["messages"]}) + b"\n",
                f"rehearsal, row {number}",
            )
            added += 1
    return added


def _publish(work: Path, outputs: dict[str, Path], template: Template, card: Card) -> None:
    """Put the finished files where they belong, each in one step; only now is anything of a former run replaced."""
    for name in ("images", "audio"):
        folder = outputs["train"].parent / name
        if folder.is_dir():
            shutil.rmtree(folder)
        if (work / name).is_dir():
            os.replace(work / name, folder)
    for split in SPLITS:
        os.replace(work / f"{split}.jsonl", outputs[split])
    template.write(outputs["template"])
    write_text(outputs["strategy"], render_strategy(card, template.example_text))
    card.write(outputs["card"])


def get_spread(counts: Counter[int]) -> dict[str, float]:
    """Median, 95th percentile and maximum of counted values."""
    total = sum(counts.values())
    wanted = {"p50": total // 2, "p95": int(total * 0.95), "max": total - 1}
    found, passed = {}, 0
    for value in sorted(counts):
        passed += counts[value]
        for name, rank in wanted.items():
            if name not in found and passed > rank:
                found[name] = float(value)
    return found


def get_histogram(counts: Counter[int], bins: int = 40) -> list[dict[str, int]]:
    """Rows by length in equal bins: from (included), to (excluded), rows."""
    width = max(1, -(-(max(counts) + 1) // bins)) if counts else 1
    rows = Counter({0: 0})
    for value, count in counts.items():
        rows[value // width] += count
    return [{"from": index * width, "to": (index + 1) * width, "rows": rows[index]} for index in range(max(rows) + 1)]


def _get_shared_system(spool: Spool) -> str | None:
    def get_system(sample: Sample) -> Any:
        turns = get_prompt(sample.row)
        return (
            turns[0]["content"]
            if turns and turns[0]["role"] == "system" and isinstance(turns[0]["content"], str)
            else None
        )

    prompts = {get_system(sample) for sample in spool.read("test")}
    return prompts.pop() if len(prompts) == 1 else None


def _get_answer_kind(spool: Spool) -> Any:
    import orjson

    def is_json(text: str) -> bool:
        try:
            return isinstance(orjson.loads(text), dict | list)
        except orjson.JSONDecodeError:
            return False

    def get_answers() -> Iterator[str]:
        return (answer for sample in spool.read("test") if (answer := get_reference(sample.row)) is not None)

    return "json" if any(True for _ in get_answers()) and all(map(is_json, get_answers())) else "text"
