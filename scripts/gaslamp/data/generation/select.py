"""Which generated rows are learnt: those that a person kept or edited; unseen ones only where the config says so."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.artefact import Provenance
from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, read_jsonl, write_jsonl
from gaslamp.data.generation.facts import EDITED, MARK, Generation, Selection


def select_rows(
    candidates: Path, facts: Path, review: Path | None, is_needed: bool, outputs: dict[str, Path]
) -> Selection:
    """Write the rows that are learnt.

    Args:
        candidates: candidates.jsonl.
        facts: generation.json.
        review: what a person decided; None: nobody has looked.
        is_needed: data.generate.review: unseen rows stop the run.
        outputs: paths for rows and selection.

    Raises:
        GaslampError: rows wait for a look, or none is left.
    """
    made = Generation.read(facts)
    decided = {line["id"]: line for line in read_jsonl(review)} if review else {}
    every = list(read_jsonl(candidates))
    unseen = sum(one["id"] not in decided for one in every)
    if unseen and is_needed:
        raise GaslampError(
            f"{unseen} of {len(every)} generated rows wait for a look: they would be learnt as they are",
            "make review: keep, edit or drop them, then run the same command",
            "data.generate.review: false in config.yaml takes rows that nobody has looked at, and records it",
        )
    rows: list[JsonObject] = []
    counts = {"keep": 0, "edit": 0, "drop": 0}
    for one in every:
        line = decided.get(one["id"])
        choice = line["decision"] if line else None
        if choice:
            counts[choice] += 1
        if choice == "drop":
            continue
        row = line["row"] if line and choice == "edit" else one["row"]
        rows.append({**row, MARK: made.model + (EDITED if choice == "edit" else "")})
    if not rows:
        raise GaslampError(
            f"none of {len(every)} generated rows was kept",
            "keep some: make review",
            "generate others: data.generate.seed",
        )
    warnings = []
    if unseen:
        warnings.append(
            f"{unseen} of {len(rows)} generated rows are learnt without a look (data.generate.review: false)"
        )
    selection = Selection(
        candidates=len(every),
        kept=counts["keep"],
        edited=counts["edit"],
        dropped=counts["drop"],
        unseen=unseen,
        model=made.model,
        licence=made.licence,
        review=is_needed,
        warnings=warnings,
        provenance=Provenance.start([candidates, facts, *([review] if review else [])]),
    )
    for warning in warnings:
        say(f"warning: {warning}")
    say(f"{len(rows)} of {len(every)} generated rows are learnt: {counts['keep']} kept, {counts['edit']} edited")
    write_jsonl(outputs["rows"], rows)
    selection.write(outputs["selection"])
    return selection
