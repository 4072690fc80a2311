"""The parity gate: is the model that ships the model that was evaluated?

One set of prompts goes through every artefact, from the adapter in memory to the served file. Compared are the text and
the token ids of the rendered prompt, the number of BOS tokens, the end token, the base of the rotary positions, the
greedy answers, and the reason why they end. Prompts of a vision model have the images of the test rows. Models that
return vectors or scores are compared by ``gaslamp.export.parity.vectors``.
"""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.levels import get_level
from gaslamp.config.methods import get_artefact, get_evaluation_options, is_multimodal
from gaslamp.config.slices import Slice
from gaslamp.core.console import Progress, say
from gaslamp.core.contracts import Ladder, ModelFacts, Parity, ParityCheck, Provenance, Template
from gaslamp.core.files import read_json
from gaslamp.export.parity.levels import check_answers
from gaslamp.export.parity.merged import check_merged, get_evaluated
from gaslamp.export.parity.prompts import encode_prompts, get_conversations, get_special_tokens
from gaslamp.export.parity.served import check_metadata, check_served
from gaslamp.export.parity.vectors import check_vectors
from gaslamp.models.template import Renderer

IMAGE_ROWS = 4
"""Test rows with images that the adapter answers here once more, so that each file's image tokens can be counted."""


def check_parity(
    settings: Slice,
    *,
    model: Path,
    adapters: Path,
    merged: Path,
    gguf: list[Path],
    test: Path,
    template: Path,
    predictions: dict[str, Path],
    out: Path,
    log: Path,
    toolchain: Path | None = None,
    ladder: Path | None = None,
    companion: Path | None = None,
) -> Parity:
    """Run every check and write parity.json, whose ``passed`` is the gate.

    Args:
        settings: slice with method, train (options, max_length) and export.
        model, adapters, merged, gguf, template, test: the artefacts and facts of this run. Without GGUF files the
            merged model alone is compared with the adapter.
        predictions: tuned and every level -> predictions file of the evaluation.
        out: parity.json to write.
        log: receives what llama-server prints.
        toolchain, ladder: toolchain.json and ladder.json, with GGUF files.
        companion: second file of the GGUF files: mmproj of a vision model, head.json of a reward model.
    """
    facts, recorded = ModelFacts.read(model), Template.read(template)
    files = [*([ladder] if ladder else []), *gguf]
    provenance = Provenance.start([model, template, test, adapters, *files], settings.dump())
    renderer = Renderer.load(facts.path, recorded)
    tools = read_json(toolchain) if toolchain else None
    progress = Progress("artefact", 2 + len(gguf), every=5.0)
    if get_artefact(settings.method) != "causal_lm":
        checks, count = check_vectors(
            settings, facts, renderer, adapters, merged, gguf, tools, test, companion, log, progress
        )
    else:
        conversations = get_conversations(test, settings.export.parity_prompts, get_special_tokens(recorded))
        sizes = get_evaluation_options(settings.method, settings.train.options)
        prompts = encode_prompts(
            renderer, conversations, facts if is_multimodal(settings.method) else None, test.parent, sizes
        )
        count = len(prompts)
        evaluated = get_evaluated(
            renderer, recorded, test, predictions["tuned"], prompts, settings.export.parity_prompts
        )
        with_images = [prompt for prompt in prompts[: len(evaluated)] if prompt.has_images]
        others = [*prompts[len(evaluated) :], *with_images[:IMAGE_ROWS]]
        checks, references = check_merged(facts, recorded, renderer, adapters, merged, evaluated, others)
        progress.update(2, "adapter and merged model")
        for number, file in enumerate(gguf, 3):
            assert tools, "the rule gives toolchain.json with GGUF files"
            checks += check_metadata(file, recorded, Path(facts.path))
            checks += check_served(file, tools, renderer, recorded, prompts, references, log, companion)
            progress.update(number, get_level(file))
    if ladder:
        checks += check_answers(Ladder.read(ladder), predictions, settings.export.tolerance)
    parity = conclude(checks, count, settings.export.parity, provenance, out.parent.parent.name)
    parity.write(out)
    say(parity.summary)
    return parity


def conclude(
    checks: list[ParityCheck], prompts: int, gate: str, provenance: Provenance | None, run: str = "main"
) -> Parity:
    """The verdict on these checks.

    Args:
        checks: of all artefacts.
        prompts: how many prompts or texts they were made on.
        gate: export.parity: block, or warn, with which a failure passes on and is recorded.
        provenance: of the run of the gate.
        run: its name, for the fixes.
    """
    for check in checks:
        check.fix = check.fix and check.fix.replace("<run>", run)
    failed = [check for check in checks if not check.passed]
    summary = (
        f"the shipped model is the evaluated model: {len(checks)} checks on {prompts} prompts"
        if not failed
        else f"{len(failed)} of {len(checks)} checks failed; first: "
        f"{failed[0].artefact}, {failed[0].name}: {failed[0].detail}"
    )
    override = "export.parity: warn" if failed and gate == "warn" else None
    return Parity(
        passed=not failed, summary=summary, prompts=prompts, checks=checks, override=override, provenance=provenance
    )
