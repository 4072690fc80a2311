"""Has a model write rows until enough pass: a reply of the right shape, no near copy, a good score of the judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from gaslamp.config.methods import get_method
from gaslamp.config.slices import Slice
from gaslamp.core.artefact import Provenance
from gaslamp.core.console import Progress
from gaslamp.core.files import JsonObject, sha256_text, write_jsonl
from gaslamp.data.generation.facts import MARK, REJECTS, REPLIES, Generation
from gaslamp.data.generation.material import read_documents, read_seeds
from gaslamp.data.generation.replies import Rejected, read_fields, read_score
from gaslamp.data.generation.report import announce, get_fruitless, report
from gaslamp.data.generation.requests import (
    JUDGE_TOKENS,
    VERDICT,
    Brief,
    Request,
    get_format,
    get_judge_messages,
    get_template_hash,
    make_request,
)
from gaslamp.data.generation.sender import LimitReached, Sender, get_client
from gaslamp.data.generation.shapes import SHAPES, get_fields, make_row
from gaslamp.data.near import find_twins, get_near_text, get_signatures
from gaslamp.data.rows import Row
from gaslamp.models.endpoint import EndpointClient, EndpointError

WAVE = 32
"""Requests that are sent before their replies are compared and judged."""
FRUITLESS = 60
"""Replies in a row without one that passes, after which no more are requested."""


@dataclass
class Candidate:
    """A row on its way: ``problem`` once it is rejected."""

    request: Request
    reply: JsonObject = field(default_factory=dict)
    fields: JsonObject = field(default_factory=dict)
    row: Row = field(default_factory=dict)
    score: float | None = None
    why: str = ""
    problem: Rejected | None = None


class Generator:
    """One generation.

    Args:
        brief: what all requests have in common.
        sender: sends them.
        writer: client of the model that writes the rows.
        judge: client of the model that scores them, or None.
        seeds: the person's example rows: no row may be a near copy of one.
    """

    def __init__(
        self, brief: Brief, sender: Sender, writer: EndpointClient, judge: EndpointClient | None, seeds: list[Row]
    ) -> None:
        self.brief, self.sender, self.writer, self.judge = brief, sender, writer, judge
        self.settings = brief.settings
        self._rows = list(seeds)  # seeds and rows that passed
        self._places = [f"seed {number}" for number in range(1, len(seeds) + 1)]
        self.accepted: list[Candidate] = []
        self.rejected: list[Candidate] = []
        self.stopped: str | None = None

    def run(self) -> None:
        """Send waves of requests until enough rows passed, a limit is reached, or nothing passes any more.

        Raises:
            EndpointError: a server does not answer.
        """
        wanted, number, last = self.settings.rows, 0, 0
        progress = Progress("row", wanted)
        progress.update(0)
        while len(self.accepted) < wanted and not self.stopped:
            size = min(WAVE, wanted - len(self.accepted))
            wave = [Candidate(make_request(self.brief, number + n)) for n in range(size)]
            number += size
            before = len(self.accepted)
            self._work(wave, self._write, progress)
            written = [one for one in wave if one.fields]
            self._leave_copies_out(written)
            self._work([one for one in written if not one.problem], self._score, progress)
            for one in wave:
                if one.problem:
                    self.rejected.append(one)
                elif one.fields and (one.score is not None or self.judge is None):
                    self._accept(one)
            last = number if len(self.accepted) > before else last
            progress.update(len(self.accepted), f"{len(self.rejected)} rejected")
            if number - last >= FRUITLESS and len(self.accepted) < wanted:
                self.stopped = self.stopped or f"the last {number - last} replies gave no row that passes"

    def _work(self, wave: list[Candidate], do: Callable[[Candidate], None], progress: Progress) -> None:
        """``do`` for each, some at a time; a limit ends it, and what came before stays."""
        pool = ThreadPoolExecutor(self.settings.parallel)
        try:
            for future in [pool.submit(do, one) for one in wave]:
                try:
                    future.result()
                except LimitReached as limit:
                    self.stopped = str(limit)
                if len(self.accepted) < self.settings.rows:
                    replies = self.sender.spent.requests
                    progress.update(len(self.accepted), f"{replies} replies, {len(self.rejected)} rejected")
        finally:
            pool.shutdown(cancel_futures=True)

    def _write(self, one: Candidate) -> None:
        request = one.request
        options = {
            "temperature": request.temperature,
            "seed": request.seed,
            "max_tokens": self.settings.max_tokens,
        }
        try:
            one.reply = self.sender.send(self.writer, request.messages, get_format("row", request.schema), **options)
            one.fields = read_fields(one.reply["text"], request.schema, one.reply["finish"])
            one.row = make_row(one.fields, self.brief.kind)
        except Rejected as problem:
            one.problem = problem
        except EndpointError as error:
            if error.status not in (400, 413, 422):
                raise
            one.problem = Rejected("refused", error.cause)

    def _score(self, one: Candidate) -> None:
        if self.judge is None:
            return
        messages = get_judge_messages(self.brief, one.fields, one.request.text)
        options = {"temperature": 0.0, "seed": self.settings.seed, "max_tokens": JUDGE_TOKENS}
        threshold = self.settings.judge.threshold
        try:
            reply = self.sender.send(self.judge, messages, get_format("verdict", VERDICT), **options)
            one.score, one.why = read_score(reply["text"])
            if one.score < threshold:
                one.problem = Rejected("judge", f"scored {one.score:g}, below {threshold:g}: {one.why}")
        except Rejected as problem:
            one.problem = problem

    def _leave_copies_out(self, wave: list[Candidate]) -> None:
        """Reject near copies of a seed, of a row that passed, or of an earlier one of the wave."""
        import numpy as np

        fresh = [one for one in wave if not one.problem]
        if not fresh:
            return
        rows = [*self._rows, *(one.row for one in fresh)]
        places = [*self._places, *(f"row {one.request.number}" for one in fresh)]
        known = len(self._rows)
        queried = np.arange(len(rows)) >= known
        for what, get_text in (("prompt ", self._get_prompt_text), ("", get_near_text)):
            signatures = get_signatures(get_text(row) for row in rows)
            twins = find_twins(signatures, self.settings.similarity, queried)
            for row, twin, similarity in zip(twins.rows, twins.twins, twins.similarity, strict=True):
                fresh[int(row) - known].problem = Rejected("near copy", f"{what}{similarity:.0%} like {places[twin]}")

    def _get_prompt_text(self, row: Row) -> str:
        """What a row asks: the same question with another answer is no other row, however long the answers are."""
        first = SHAPES[self.brief.kind][0].name
        return get_near_text({"text": get_fields(row, self.brief.kind)[first]})

    def _accept(self, one: Candidate) -> None:
        self.accepted.append(one)
        self._rows.append(one.row)
        self._places.append(f"row {one.request.number}")

    def describe(self, one: Candidate) -> JsonObject:
        """A line of candidates.jsonl or rejects.jsonl: the row, its score, and where it comes from."""
        settings, request = self.settings, one.request
        origin = {
            MARK: self.writer.model,
            "url": self.writer.url,
            "licence": settings.licence,
            "time": one.reply.get("time"),
            "template": get_template_hash(),
            "style": request.style,
            "temperature": request.temperature,
            "seed": request.seed,
            "document": request.document,
            "judge": self.judge.model if self.judge else None,
        }
        if one.problem:
            text = {} if one.row else {"reply": one.reply.get("text", "")}
            why = {"reason": one.problem.kind, "detail": one.problem.reason}
            return {"number": request.number, **why, **({"row": one.row} if one.row else text), "origin": origin}
        key = sha256_text(str(one.row))[:12]
        return {"id": f"generated-{key}", "row": one.row, "score": one.score, "why": one.why, "origin": origin}


def generate_rows(settings: Slice, outputs: dict[str, Path]) -> Generation:
    """Make data.generate.rows rows and record where each comes from.

    Args:
        settings: slice with project, method, data.system, data.redact and data.generate.
        outputs: paths for candidates and facts. Every reply, and what was rejected and why, stand in files next to them
            that stay when the step fails.

    Raises:
        GaslampError: the config is incomplete, a server does not answer, or no row passed.
    """
    own = settings.data.generate
    kind = get_method(settings.method).KINDS[0]
    redacts = bool(settings.data.redact)
    seeds = read_seeds(own.seeds, settings.method, kind, redacts) if own.seeds else []
    documents = read_documents(own.documents, redacts) if own.documents else []
    project = settings.project
    brief = Brief(
        project.task,
        project.audience,
        settings.data.system,
        kind,
        own,
        [get_fields(row, kind) for row in seeds],
        documents,
    )
    writer = get_client(own.endpoint, "data.generate.endpoint")
    place, name = (own.judge.endpoint, "data.generate.judge.endpoint") if own.judge.endpoint.url else (own.endpoint, "")
    judge = get_client(place, name or "data.generate.endpoint") if own.judge.threshold is not None else None
    inputs: list[str | Path] = [Path(own.seeds)] if own.seeds else []
    provenance = Provenance.start(inputs, settings.dump())
    folder = outputs["candidates"].parent
    sender = Sender(folder / REPLIES, own.limits, own.price)
    announce(brief, sender, writer, judge)
    generator = Generator(brief, sender, writer, judge, seeds)
    try:
        generator.run()
    finally:
        sender.close()
    spent = sender.spent
    counts = Counter(one.problem.kind for one in generator.rejected if one.problem)
    facts = Generation(
        wanted=own.rows,
        accepted=len(generator.accepted),
        rejected=dict(counts.most_common()),
        url=writer.url,
        model=writer.model,
        judge={"url": judge.url, "model": judge.model, "threshold": float(own.judge.threshold)} if judge else None,
        licence=own.licence,
        template=get_template_hash(),
        seeds=len(seeds),
        documents=len(documents),
        requests=spent.requests,
        prompt_tokens=spent.prompt_tokens,
        completion_tokens=spent.completion_tokens,
        estimated=spent.estimated,
        cost=round(spent.get_cost(own.price), 6),
        stopped=generator.stopped,
        provenance=provenance,
    )
    write_jsonl(folder / REJECTS, [generator.describe(one) for one in generator.rejected])
    report(facts, sender, own.price)
    if not generator.accepted:
        problems = [one.problem for one in generator.rejected if one.problem]
        raise get_fruitless(facts, problems, folder / REJECTS)
    write_jsonl(outputs["candidates"], [generator.describe(one) for one in generator.accepted])
    facts.write(outputs["facts"])
    return facts
