"""The data phase: read, find the format, convert, check, split, and record what was done. Nothing is written unless all
is right.

Rows stream: they are read, converted and checked chunk by chunk, by as many processes as pay, and go to a work folder;
memory holds a bit a row, and 256 bytes a row while near duplicates are looked for.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from gaslamp.config.methods import get_artefact
from gaslamp.config.slices import Slice
from gaslamp.core.console import say
from gaslamp.core.contracts import Card, ModelFacts, Provenance, Template
from gaslamp.core.decisions import Decision
from gaslamp.core.files import sha256_path, write_text
from gaslamp.core.processes import is_running
from gaslamp.data.additions import add_kept, add_rehearsal
from gaslamp.data.card import (
    count_classes,
    describe_classes,
    describe_rows,
    get_answer_kind,
    get_shared_system,
    get_split_warnings,
)
from gaslamp.data.checking import Facts, Sample, get_messages, load_checks, run_checks, stop_on_blocks
from gaslamp.data.conversion import SPLITS
from gaslamp.data.dividing import divide_rows, get_check_settings
from gaslamp.data.encode import get_example
from gaslamp.data.generation.origin import describe_origin
from gaslamp.data.length import Machine, decide_length, find_limit
from gaslamp.data.lengths import encode_splits, get_histogram, get_spread
from gaslamp.data.notes import get_notes
from gaslamp.data.peek import get_unused, get_unused_warnings
from gaslamp.data.strategy import render_strategy
from gaslamp.models.loading import load_tokenizer
from gaslamp.models.plain_text import PLAIN_KINDS, build_plain_template, has_chat_template
from gaslamp.models.template import Renderer, build_template
from gaslamp.models.thinking import drop_thoughts

WORK = ".prepare."
"""How work folders begin; behind it the process that uses it."""
SEARCHED = 2000  # training rows that are searched for thoughts
REPORTED = ("too_long", "exact_duplicates", "unrenderable")  # checks with a warning of their own


def prepare_data(
    settings: Slice,
    model_file: Path,
    outputs: dict[str, Path],
    kept: Path | None = None,
    machine: Machine | None = None,
    labelled: Path | None = None,
    generated: Path | None = None,
    selection: Path | None = None,
) -> Card:
    """Make data/ from data.source.

    Args:
        settings: slice with method, data and train.max_length; with backend and train for the memory estimate.
        model_file: model.json of the base model (its tokenizer and template decide lengths and masks).
        outputs: paths for train, valid, test, template, card, strategy; images go to a folder next to train.
        kept: conversations that were kept by hand (make chat-eval): further test rows.
        machine: whose memory limits train.max_length: auto.
        labelled: rows written or corrected by hand (make label).
        generated: rows that a model wrote, for training besides the person's own.
        selection: selection.json, where rows of a model are among the data in one way or the other.

    Raises:
        GaslampError: every problem found, with file, line and fix; no output exists then.
    """
    data, model = settings.data, ModelFacts.read(model_file)
    limit = find_limit(settings, model, machine)
    wanted = get_check_settings(data)
    checks = load_checks(wanted)
    place = outputs["train"].parent
    place.mkdir(parents=True, exist_ok=True)
    specials = tuple(load_tokenizer(model.path).all_special_tokens)
    _remove_left_work(place)
    with tempfile.TemporaryDirectory(prefix=f"{WORK}{os.getpid()}.", dir=place) as work:
        spool, found, counts, source = divide_rows(
            data,
            settings.method,
            limit.tokens,
            checks,
            wanted,
            Path(work),
            special_tokens=specials,
            labelled=labelled,
            generated=generated,
        )
        facts = Facts(found.kind, settings.method, limit.tokens, room=limit.span.room, limit=limit.why)
        warnings = [
            *source.notes,
            *get_notes(found, settings.method),
            *get_unused_warnings(found, data),
            *get_split_warnings(spool),
        ]
        by_hand = add_kept(spool, kept, found.kind) if kept else 0
        if data.checks or any(check.stage == "set" for check in checks.values()):
            run_checks(checks, "set", spool, sum(spool.counts.values()), facts)
            stop_on_blocks(checks)
        origin = describe_origin(spool, selection) if selection else None
        warnings += origin.warnings if origin else []

        example = next(spool.read("train"))
        shown = get_example(example.row)
        template = (
            build_plain_template(model.path, str(shown[0]["content"]))
            if found.kind in PLAIN_KINDS and not has_chat_template(model.path)
            else build_template(model.path, shown, settings.train.thinking, *count_thoughts(spool.read("train")))
        )
        renderer = Renderer.load(model.path, template)
        rehearsal = (
            add_rehearsal(spool, renderer, round(data.rehearsal * spool.counts["train"]), limit.for_added)
            if found.kind == "conversation"
            else 0
        )
        facts = replace(facts, stop_ids=tuple(template.stop_ids), bos_id=template.bos_id, thinking=template.thinking)
        lengths = encode_splits(spool, renderer, checks, facts)
        if too_long := checks["too_long"].findings:
            fix = limit.get_fix(lengths.longest)
            too_long[:] = [replace(finding, fix=fix) for finding in too_long]
        stop_on_blocks(checks)
        longest = max(lengths.total) if get_artefact(settings.method) == "encoder" else lengths.longest
        decided = [decide_length(limit, longest)] if limit.is_open else []
        max_length = int(str(decided[0].value)) if decided else limit.tokens
        if left := checks["unrenderable"].count:
            warnings.append(f"{left} rows are left out: the chat template of the model refuses them")
        truncated = checks["too_long"].count
        if truncated:
            why = f", {limit.why}" if limit.why else ""
            warnings.append(
                f"{truncated} rows are longer than train.max_length = {max_length}{why}: they are left out of "
                f"training; the longest has {lengths.longest} tokens"
            )
        warnings += get_messages(
            {
                name: check
                for name, check in checks.items()
                if name not in ("too_long", "exact_duplicates", "unrenderable")
            }
        )
        card = Card(
            source=source.name,
            format=found.format,
            kind=found.kind,
            mapping=found.mapping,
            decisions=[
                Decision(name="meaning", value=found.meaning.reading.key, reason=found.meaning.reading.reason),
                *decided,
                *template.decisions,
            ],
            alternatives=[f"{reading.key}: {reading.reason}" for reading in found.meaning.readings[1:]],
            unused=get_unused(found, data),
            rows={
                **spool.counts,
                "read": counts["read"],
                "dropped_duplicates": spool.duplicates,
                "rehearsal": rehearsal,
                **({"kept": by_hand} if kept else {}),
                **{name: counts[name] for name in ("labelled", "generated", "replaced") if counts[name]},
            },
            generated=origin.facts if origin else {},
            sha256={split: sha256_path(Path(work) / f"{split}.jsonl") for split in SPLITS},
            tokens={name: get_spread(getattr(lengths, name)) for name in ("total", "prompt", "completion")},
            histogram=get_histogram(lengths.total),
            trained_tokens=lengths.trained,
            max_length=max_length,
            truncated=truncated,
            classes=count_classes(spool, found.kind, rehearsal),
            slices=dict(Counter(sample.row["slice"] for sample in spool.read("test") if "slice" in sample.row)),
            warnings=warnings,
            checks=[check.dump() for check in checks.values()],
            answers=get_answer_kind(spool),
            system=get_shared_system(spool),
            system_as_user=bool(data.system_as_user),
            provenance=Provenance.start([model_file], settings.dump()),
        )
        _publish(Path(work), outputs, template, card)
    for warning in warnings:
        say(f"warning: {warning}")
    for decision in decided:
        say(f"train.max_length {decision.text}")
    for decision in template.decisions:
        say(f"{decision.name} {decision.text}")
    total = card.tokens["total"]
    say(f"{describe_rows(card.rows)}; rows of {total['p50']:.0f} tokens, at most {total['max']:.0f}")
    if classes := describe_classes(card.classes):
        say(classes)
    if card.power:
        say(card.power)
    return card


def _remove_left_work(place: Path) -> None:
    """Delete the work folders of processes that were killed: each is twice as large as the rows."""
    for folder in place.glob(f"{WORK}*"):
        process = folder.name.removeprefix(WORK).split(".")[0]
        if not (process.isdigit() and is_running(int(process))):
            shutil.rmtree(folder, ignore_errors=True)


def count_thoughts(samples: Iterator[Sample]) -> tuple[int, int]:
    """How many rows were looked at, and how many of them hold thoughts in front of an answer that is learnt."""
    looked = found = 0
    for sample in islice(samples, SEARCHED):
        turns = [turn for key in ("messages", "chosen", "completion") for turn in sample.row.get(key) or ()]
        looked += 1
        found += drop_thoughts(turns) is not turns
    return looked, found


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
