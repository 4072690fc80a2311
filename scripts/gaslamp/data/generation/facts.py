"""What the files of the generation record, for the data card and for whoever asks where a row comes from."""

from __future__ import annotations

from pydantic import Field

from gaslamp.core.artefact import Artefact

FOLDER = "data/generated"
CANDIDATES = f"{FOLDER}/candidates.jsonl"
REJECTS, REPLIES = "rejects.jsonl", "replies.jsonl"
"""Files next to them: no outputs of the rule, since Snakemake deletes those when a step fails."""
SELECTION = f"{FOLDER}/selection.json"
REVIEW = f"{FOLDER}/review.jsonl"
"""What a person decided: one line for each candidate, the newest decision."""
MARK = "generated_by"
"""Column of a generated row that names the model, in every file of the project."""

EDITED = ", edited by hand"
"""Stands behind the name of the model where a person changed the row."""


class Generation(Artefact):
    """data/generated/generation.json: how the candidates were made."""

    wanted: int
    accepted: int
    rejected: dict[str, int]  # kind of reason -> rows
    url: str
    model: str
    judge: dict[str, str | float] | None  # url, model, threshold
    licence: str
    template: str  # hash of the wording of the requests
    seeds: int  # example rows
    documents: int  # pieces of documents
    requests: int
    prompt_tokens: int
    completion_tokens: int
    estimated: bool  # a server did not count its tokens
    cost: float  # US dollars, by data.generate.price
    stopped: str | None = None  # why there are fewer rows than wanted


class Selection(Artefact):
    """data/generated/selection.json: which of them are learnt."""

    candidates: int
    kept: int  # as they were generated
    edited: int
    dropped: int
    unseen: int  # taken without a look, by data.generate.review: false
    model: str
    licence: str
    review: bool
    warnings: list[str] = Field(default_factory=list)
