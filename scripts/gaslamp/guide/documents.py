"""What the commands of the guide say to programs: plan, advise, new, reconfigure, try, check-pin, upgrade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Self, cast

from pydantic import JsonValue

from gaslamp.core.document import Document, Part
from gaslamp.core.finding import Advice as Tip
from gaslamp.environment.advise import Advice
from gaslamp.environment.elsewhere import Elsewhere
from gaslamp.guide.plan import Plan
from gaslamp.guide.run_plan import RunPlan
from gaslamp.guide.try_advice import Try


class JobPart(Part):
    """A job that would run."""

    rule: str
    step: str
    wildcards: dict[str, str]
    outputs: list[str]
    why: str  # new, settings, data, code, again
    reason: str  # Snakemake's
    seconds: float | None  # None: not known
    is_measured: bool  # by an earlier run of this step here


class ChangePart(Part):
    """A setting of the last run and its value now."""

    then: JsonValue
    now: JsonValue


class RunPlanDocument(Document):
    """``make plan JSON=1``: the run before it starts. With a ``problem`` the exit code is 1."""

    profile: str
    profile_reason: str
    jobs: list[JobPart]
    done: dict[str, int]  # rule -> jobs that need not run
    changed: dict[str, ChangePart]  # config key ->
    rows: int
    tokens: int  # of a row, in the mean
    seconds: float  # of all jobs whose time is known
    speed: str
    download_gb: dict[str, float]
    memory_gb: float | None
    memory_free_gb: float | None
    fit: str  # fits, tight, exceeds, unknown
    disk_gb: dict[str, float] | None
    disk_free_gb: float | None
    price: float  # US dollars
    warnings: list[str]
    problem: str  # what would stop the run; empty: nothing

    @classmethod
    def make(cls, plan: RunPlan) -> Self:
        """Of a plan."""
        facts = plan.preflight
        return cls(
            profile=plan.profile,
            profile_reason=plan.profile_reason,
            jobs=[
                JobPart(
                    rule=job.job.rule,
                    step=job.job.step,
                    wildcards=dict(job.job.wildcards),
                    outputs=list(job.job.outputs),
                    why=job.why,
                    reason=job.job.reason,
                    seconds=job.seconds,
                    is_measured=job.is_measured,
                )
                for job in plan.jobs
            ],
            done=dict(plan.done),
            changed={key: ChangePart(then=then, now=now) for key, (then, now) in plan.changed.items()},
            rows=plan.rows,
            tokens=plan.tokens,
            seconds=round(plan.seconds, 1),
            speed=plan.speed_reason,
            download_gb=plan.download_gb,
            memory_gb=facts.get("memory_needed_gb"),
            memory_free_gb=facts.get("memory_free_gb"),
            fit=facts.get("fit", "unknown"),
            disk_gb=facts.get("disk_needed_gb"),
            disk_free_gb=facts.get("disk_free_gb"),
            price=round(plan.price, 2),
            warnings=facts.get("warnings", []),
            problem=plan.problem,
        )


class SourcePart(Part):
    """Where a fact of the catalogue comes from."""

    title: str
    url: str
    date: str


class ModelPart(Part):
    """A base model on a machine."""

    name: str
    source: str  # for model.source
    id: str
    family: str
    parameters: int
    license: str
    gated: bool
    languages: list[str]
    context: int | None
    abilities: list[str]
    profile: str
    tier: int
    fits: str  # fits, tight, exceeds
    memory_gb: float
    room_gb: float
    parts: dict[str, float]
    hours: float | None
    download_gb: float
    disk_gb: float
    price: float | None  # US dollars; 0: not rented; null: unknown
    reason: str
    obstacle: str  # why a run here would not end with a file that runs; empty: it would
    settings: dict[str, Any]  # for config.yaml, by section
    formula: dict[str, str]
    sources: dict[str, SourcePart]

    @classmethod
    def make(cls, one: Advice, **more: str) -> Self:
        """Of one advice; ``more``: fields of a subclass."""
        model = one.model
        facts = {name: getattr(model, name) for name in ("name", "source", "id", "family", "parameters", "license")}
        facts |= {"gated": model.gated, "languages": list(model.languages), "context": model.context}
        facts |= {"abilities": sorted(model.abilities)}
        facts |= {name: value for name, value in vars(one).items() if name != "model"}
        sources = {group: {"title": s.title, "url": s.url, "date": s.date} for group, s in model.sources.items()}
        return cls.model_validate({**facts, "sources": sources, **more})


class ElsewherePart(ModelPart):
    """The best model on another machine."""

    machine: str  # for MACHINE=
    way: str  # Colab, SSH


class AdviceDocument(Document):
    """``make advise JSON=1``: base models for a machine, the best choice first."""

    machine: str
    profile: str
    reason: str  # of the profile; empty when it is not the one that fits the machine
    method: str
    rows: int
    tokens: int  # of a long row
    mean: int  # tokens of a row
    origin: str  # where method, rows and tokens come from
    offline: str  # why the hub cannot be reached; empty: it can be reached
    why: str  # the first model
    models: list[ModelPart]
    elsewhere: list[ElsewherePart]

    @classmethod
    def make(cls, advice: Sequence[Advice], elsewhere: Sequence[Elsewhere], **facts: object) -> Self:
        """Of the advice; ``facts``: the other fields."""
        others = [ElsewherePart.make(one.advice, machine=one.machine, way=one.way) for one in elsewhere]
        return cls.model_validate({**facts, "models": [ModelPart.make(one) for one in advice], "elsewhere": others})


class LinePart(Part):
    """One decision of the interview; SET="name=value" changes it."""

    name: str
    value: str
    reason: str
    settings: dict[str, Any]
    options: list[str]
    fixed: bool  # a person chose it


class AlternativePart(Part):
    """Another way: what it changes, and why."""

    title: str
    changes: dict[str, str]
    reason: str


class PlanDocument(Document):
    """What the interview decided, and what else there is."""

    task: str
    data: str
    plan: list[LinePart]
    cost: str
    alternatives: list[AlternativePart]
    notes: list[str]

    @classmethod
    def make(cls, plan: Plan, **facts: object) -> Self:
        """Of a plan; ``facts``: the other fields."""
        lines = [
            {**asdict(line), "settings": dict(line.settings), "options": list(line.options)} for line in plan.lines
        ]
        others = [asdict(other) for other in plan.alternatives]
        named = {"plan": lines, "cost": plan.cost, "alternatives": others, "notes": plan.notes}
        return cls.model_validate({**named, **facts})


class ReconfigureDocument(PlanDocument):
    """``make reconfigure JSON=1``: what another answer would change. Nothing is written without ``YES=1``."""

    differences: list[str]  # of config.yaml: ``key: then -> now  (why)``
    reruns: str  # what a run would do again; empty: nothing changes
    is_written: bool


class NewDocument(PlanDocument):
    """``make new JSON=1`` in the repository: the project that was made, by the plan as it was recommended."""

    project: str  # its folder
    done: list[str]  # what was said of it, the next command among it


class TriedPart(Part):
    """One thing to try after a run; ``make try N=`` applies it where it changes the config."""

    number: int
    text: str
    changes: dict[str, JsonValue]  # config key -> value; empty: a person must do it


class TryDocument(Document):
    """``make try JSON=1``: what a run says to try; with ``N=`` the new run that tries it."""

    run: str
    advice: list[TriedPart]
    number: int | None  # which was applied
    new_run: str | None
    diff: list[str]  # lines of config.yaml that change
    is_written: bool  # config.yaml describes new_run now; it starts with make run

    @classmethod
    def make(cls, run: str, advice: Sequence[Tip], one: Try | None = None, *, is_written: bool = False) -> Self:
        """Of the advice of a run, and of the one that is tried."""
        parts = [
            TriedPart(
                number=number,
                text=tip.text,
                changes={change.key: cast("JsonValue", change.value) for change in tip.remedy.changes},
            )
            for number, tip in enumerate(advice, 1)
        ]
        return cls(
            run=run,
            advice=parts,
            number=one.number if one else None,
            new_run=one.run if one else None,
            diff=one.diff if one else [],
            is_written=is_written,
        )


class PinDocument(Document):
    """``make check-pin JSON=1``: files of the pinned copy; edited or missing ones make the exit code 1."""

    edited: list[str]
    missing: list[str]
    added: list[str]


class UpgradeDocument(Document):
    """``make upgrade JSON=1``: what changed since the project was made; DRY_RUN=1 replaces nothing."""

    pinned: str  # version that the project has
    version: str  # that it would have, or has now
    changelog: str
    files: dict[str, list[str]]  # room -> changed files
    is_replaced: bool
