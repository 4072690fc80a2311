"""The parity gate for encoders and reward models: the same texts, the same tokens, the same vectors or scores.

From the adapter in memory to the served file. An encoder's vectors are compared by their cosine, a reward model's
scores by their difference as a share of the range of all scores. 16 bit must agree; the difference of a quantized
level is reported, and its score on the test rows decides whether it may ship.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gaslamp.config.levels import get_level
from gaslamp.config.methods import get_artefact
from gaslamp.config.slices import Slice
from gaslamp.core.console import Progress
from gaslamp.core.contracts import ModelFacts, ParityCheck
from gaslamp.core.files import read_jsonl
from gaslamp.data.rows import Row
from gaslamp.evaluate import retrieval
from gaslamp.evaluate.likelihood import get_reward_scores
from gaslamp.export.evaluate_vectors import (
    embed,
    get_context_length,
    get_conversations,
    get_texts,
    read_head,
    score_conversations,
    serve,
)
from gaslamp.export.llamacpp.client import LlamaClient
from gaslamp.export.llamacpp.toolchain import Toolchain
from gaslamp.export.parity.checks import EXACT, find_text_difference, find_token_difference, make_check
from gaslamp.models.template import Renderer
from gaslamp.models.trained import load_evaluated, load_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from gaslamp.export.evaluate_vectors import Vectors

SAME_DIRECTION = 0.999
"""Smallest cosine of two vectors of one text that counts as equal, between two programs in 16 bit."""
SAME_SCORE = 0.02
"""Largest difference of two scores of one text that counts as equal, as a share of the range of all scores."""
ODD_TEXTS = ("Two ☕️ and a 🥐 for Zoë 👩‍🍳!", "שני קפה בבקשה, مع حليب", "  two\n\n\tlattes  \n", "word " * 400)


class Comparison(Protocol):
    """How models of one kind are compared."""

    program: str
    """What computes the vectors or scores of the merged folder."""

    def __len__(self) -> int:
        """How many texts are compared."""

    def measure_evaluated(self, facts: ModelFacts, adapters: Path) -> Vectors:
        """Vectors or scores of base and adapter, as the evaluation computes them."""

    def measure_merged(self, merged: Path) -> Vectors:
        """Those of the merged folder."""

    def measure_served(self, server: LlamaClient, file: Path) -> Vectors:
        """Those of a served GGUF file."""

    def check_tokens(self, level: str, server: LlamaClient) -> list[ParityCheck]:
        """Does the server make the trainer's tokens of every text?"""

    def compare(self, artefact: str, found: Vectors, wanted: Vectors, program: str, cause: str) -> ParityCheck:
        """Are the vectors or scores of an artefact equal to those of ``program``?"""


def check_vectors(
    settings: Slice,
    facts: ModelFacts,
    renderer: Renderer,
    adapters: Path,
    merged: Path,
    gguf: list[Path],
    toolchain: Toolchain | None,
    test: Path,
    head: Path | None,
    log: Path,
    progress: Progress,
) -> tuple[list[ParityCheck], int]:
    """All checks of one model, and how many texts they were made on.

    Args:
        settings: slice with method, train (max_length) and export.parity_prompts.
        facts, renderer, adapters, merged, gguf, test: the artefacts and facts of this run.
        toolchain: contents of toolchain.json, with GGUF files.
        head: head.json of a reward model.
        log: receives what llama-server prints.
        progress: updated after each artefact.
    """
    rows = list(islice(read_jsonl(test), settings.export.parity_prompts))
    comparison: Comparison = (
        EncoderComparison(settings, renderer, rows)
        if get_artefact(settings.method) == "encoder"
        else RewardComparison(renderer, rows, head)
    )
    evaluated = comparison.measure_evaluated(facts, adapters)
    wanted = comparison.measure_merged(merged)
    checks = [comparison.compare("merged", wanted, evaluated, "the evaluated model", "merge")]
    progress.update(2, "adapter and merged model")
    for number, file in enumerate(gguf, 3):
        level = get_level(file)
        assert toolchain, "the rule gives toolchain.json with GGUF files"
        with serve(settings, file, toolchain, rows, log) as server:
            checks += comparison.check_tokens(level, server)
            found = comparison.measure_served(server, file)
        checks.append(comparison.compare(level, found, wanted, comparison.program, "vectors"))
        progress.update(number, level)
    return checks, len(comparison)


def _is_exact(artefact: str) -> bool:
    return artefact == "merged" or artefact in EXACT


class EncoderComparison:
    """Normalized vectors of the texts of the test rows, and of odd texts."""

    program = "sentence-transformers"

    def __init__(self, settings: Slice, renderer: Renderer, rows: list[Row]) -> None:
        self.texts = [*get_texts(rows), *ODD_TEXTS]
        self.tokenizer, self.max_length = renderer.tokenizer, settings.train.max_length

    def __len__(self) -> int:
        return len(self.texts)

    def measure_evaluated(self, facts: ModelFacts, adapters: Path) -> Vectors:
        """Vectors of the body that the evaluation loads."""
        net = load_evaluated(facts, adapters, "encoder")
        vectors: Vectors = retrieval.embed(net, self.tokenizer, self.texts, max_length=self.max_length).numpy()
        return vectors

    def measure_merged(self, merged: Path) -> Vectors:
        """Vectors by sentence-transformers."""
        import torch
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(merged), device="cpu", model_kwargs={"dtype": torch.float32})
        vectors: Vectors = model.encode(self.texts, normalize_embeddings=True, show_progress_bar=False)
        return vectors

    def measure_served(self, server: LlamaClient, file: Path) -> Vectors:
        """Vectors by llama-server."""
        return embed(server, self.texts, self.max_length)

    def check_tokens(self, level: str, server: LlamaClient) -> list[ParityCheck]:
        """Plain texts: no template is rendered."""
        fault = None
        for text in self.texts:
            ids, wanted = server.tokenize(text, add_special=True), self.tokenizer(text)["input_ids"]
            fault = fault or find_token_difference(repr(text[:40]), ids, wanted)
        return [
            make_check("prompt tokens", level, fault, f"{len(self.texts)} texts became the same token ids", "tokens")
        ]

    def compare(self, artefact: str, found: Vectors, wanted: Vectors, program: str, cause: str) -> ParityCheck:
        """By the cosine of the two vectors of each text."""
        near = (found * wanted).sum(axis=1)
        worst = int(near.argmin())
        detail = (
            f"cosine to the vectors of {program}: {near.mean():.5f} on average, "
            f"at least {near[worst]:.5f} on {len(near)} texts"
        )
        is_other = _is_exact(artefact) and near[worst] < SAME_DIRECTION
        fault = f"{detail}; furthest: {self.texts[worst][:60]!r}" if is_other else None
        return make_check("vectors", artefact, fault, detail, cause)


class RewardComparison:
    """Scores of the chosen and rejected answers of the test rows."""

    program = "transformers"

    def __init__(self, renderer: Renderer, rows: list[Row], head: Path | None) -> None:
        self.conversations, self.renderer, self.head = get_conversations(rows), renderer, read_head(head)
        self.texts = [renderer.render(each.messages, generate=False, tools=each.tools) for each in self.conversations]

    def __len__(self) -> int:
        return len(self.conversations)

    def _measure(self, net: PreTrainedModel) -> Vectors:
        import numpy

        pad = self.renderer.tokenizer.pad_token_id
        net.config.pad_token_id = pad
        found = dict(get_reward_scores(net, [self.renderer.tokenize(text) for text in self.texts], pad, 8))
        return numpy.array([found[n] for n in range(len(found))])

    def measure_evaluated(self, facts: ModelFacts, adapters: Path) -> Vectors:
        """Scores by the model that the evaluation loads."""
        return self._measure(load_evaluated(facts, adapters, "classifier"))

    def measure_merged(self, merged: Path) -> Vectors:
        """Scores by transformers."""
        return self._measure(load_folder(merged, artefact="classifier"))

    def measure_served(self, server: LlamaClient, file: Path) -> Vectors:
        """Scores by llama-server and head.json."""
        import numpy

        return numpy.array(list(score_conversations(server, self.conversations, self.head, get_context_length(file))))

    def check_tokens(self, level: str, server: LlamaClient) -> list[ParityCheck]:
        """Rendered conversations, with their answers."""
        text_fault = token_fault = None
        bos = self.renderer.tokenizer.bos_token or ""
        for conversation, text in zip(self.conversations, self.texts, strict=True):
            name = f"{conversation.row_id}, {conversation.side}"
            served = server.apply_template(conversation.messages, conversation.tools, generate=False)
            if served not in (text, text.removeprefix(bos)):
                text_fault = text_fault or find_text_difference(name, served, text)
            ids = server.tokenize(served, add_special=True)
            token_fault = token_fault or find_token_difference(name, ids, self.renderer.tokenize(text))
        count = f"{len(self)} conversations"
        return [
            make_check("prompt text", level, text_fault, f"{count} rendered to the same text", "rendered"),
            make_check("prompt tokens", level, token_fault, f"{count} became the same token ids", "tokens"),
        ]

    def compare(self, artefact: str, found: Vectors, wanted: Vectors, program: str, cause: str) -> ParityCheck:
        """By the difference of the two scores of each text, as a share of the range of all."""
        off = abs(found - wanted) / max(float(wanted.max() - wanted.min()), 1e-6)
        worst = int(off.argmax())
        detail = (
            f"scores differ from those of {program} by {100 * off.mean():.2f} % of their range on average, "
            f"at most {100 * off[worst]:.2f} %, on {len(off)} answers"
        )
        is_other = _is_exact(artefact) and off[worst] > SAME_SCORE
        fault = (
            f"{detail}; furthest: {found[worst]:.3f} instead of {wanted[worst]:.3f} for {self.texts[worst][-60:]!r}"
            if is_other
            else None
        )
        return make_check("scores", artefact, fault, detail, cause)
