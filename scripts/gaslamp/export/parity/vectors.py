"""The parity gate for files that give vectors or scores: the same texts, the same tokens, the same numbers.

From the adapter in memory to the served file. An encoder's vectors are compared by their angle, a reward model's scores by their
difference in shares of the spread that they have. 16 bit must agree; how far a quantized level is off is told, and its score on
the test rows decides whether it may ship.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from gaslamp.config.levels import get_level
from gaslamp.core.console import Progress
from gaslamp.core.contracts import ModelFacts, ParityCheck
from gaslamp.core.files import read_jsonl
from gaslamp.export.vectors import embed, get_conversations, get_limit, get_texts, read_head, score_conversations, serve
from gaslamp.models.template import Renderer
from gaslamp.train.method import get_artefact

SAME_DIRECTION = 0.999
"""Smallest cosine of two vectors of one text that counts as the same one, between two programs in 16 bit."""
SAME_SCORE = 0.02
"""Largest difference of two scores of one text that counts as none, in shares of the range of all scores."""
ODD_TEXTS = ("Two ☕️ and a 🥐 for Zoë 👩‍🍳!", "שני קפה בבקשה, مع حليب", "  two\n\n\tlattes  \n", "word " * 400)

CAUSES = {
    "merged": "the adapter was merged with another scale, or onto other weights than it was trained on",
    "tokens": "the file's tokenizer splits text differently: added tokens or the pre-tokenizer were lost in the conversion",
    "text": "another chat template was written into the file, so another text is scored",
    "numbers": "the conversion changed the weights, or the vectors of the tokens become one in another way (pooling)",
}


def check_vectors(
    settings: Any,
    facts: ModelFacts,
    renderer: Renderer,
    adapters: Path,
    merged: Path,
    gguf: list[Path],
    tools: dict[str, Any],
    test: Path,
    beside: Path | None,
    log: Path,
    progress: Progress,
) -> tuple[list[ParityCheck], int]:
    """All checks of one model, and how many texts they were made on.

    Args:
        settings: slice with method, train (max_length) and export.parity_prompts.
        facts, renderer, adapters, merged, gguf, test: the artefacts and facts of this run.
        tools: contents of toolchain.json.
        beside: head.json of a reward model.
        log: what llama-server prints.
        progress: told after each artefact.
    """
    rows = list(islice(read_jsonl(test), settings.export.parity_prompts))
    check = (
        _Encoder(settings, renderer, rows)
        if get_artefact(settings.method) == "encoder"
        else _Scorer(settings, renderer, rows, beside)
    )
    evaluated = check.measure_evaluated(facts, adapters)
    wanted = check.measure_merged(merged)
    checks = [check.compare("merged", wanted, evaluated, "the evaluated model", "merged", exact=True)]
    progress.update(2, "adapter and merged model")
    for number, file in enumerate(gguf, 3):
        level = get_level(file)
        with serve(settings, file, tools, rows, log) as server:
            checks += check.check_tokens(level, server)
            checks.append(
                check.compare(
                    level,
                    check.measure_served(server, file),
                    wanted,
                    check.program,
                    "numbers",
                    exact=level in ("f16", "f32"),
                )
            )
        progress.update(number, level)
    return checks, len(check)


def _make(name: str, artefact: str, fault: str | None, good: str, cause: str) -> ParityCheck:
    return ParityCheck(
        name=name, artefact=artefact, passed=fault is None, detail=fault or good, cause=CAUSES[cause] if fault else None
    )


def _find_other_tokens(name: str, found: list[int], wanted: list[int]) -> str | None:
    if found == wanted:
        return None
    at = next((i for i, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), min(len(found), len(wanted)))
    return f"{name}: token {at + 1} is {found[at : at + 3]} instead of {wanted[at : at + 3]}"


class _Encoder:
    """Texts of the test rows, and odd ones; what is compared are vectors of length 1."""

    program = "sentence-transformers"

    def __init__(self, settings: Any, renderer: Renderer, rows: list[dict[str, Any]]) -> None:
        self.texts = [*get_texts(rows), *ODD_TEXTS]
        self.tokenizer, self.max_length = renderer.tokenizer, settings.train.max_length

    def __len__(self) -> int:
        return len(self.texts)

    def measure_evaluated(self, facts: ModelFacts, adapters: Path) -> Any:
        from gaslamp.evaluate.loading import load_evaluated
        from gaslamp.evaluate.retrieval import embed as embed_here

        return embed_here(
            load_evaluated(facts, adapters, "encoder"), self.tokenizer, self.texts, max_length=self.max_length
        ).numpy()

    def measure_merged(self, merged: Path) -> Any:
        import torch
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(merged), device="cpu", model_kwargs={"dtype": torch.float32})
        return model.encode(self.texts, normalize_embeddings=True, show_progress_bar=False)

    def measure_served(self, server: Any, file: Path) -> Any:
        return embed(server, self.texts, self.max_length)

    def check_tokens(self, level: str, server: Any) -> list[ParityCheck]:
        pairs = [
            (text, server.tokenize(text, add_special=True), self.tokenizer(text)["input_ids"]) for text in self.texts
        ]
        fault = next(
            (found for text, ids, wanted in pairs if (found := _find_other_tokens(repr(text[:40]), ids, wanted))), None
        )
        return [_make("prompt tokens", level, fault, f"{len(pairs)} texts became the same token ids", "tokens")]

    def compare(self, artefact: str, found: Any, wanted: Any, program: str, cause: str, exact: bool) -> ParityCheck:
        near = (found * wanted).sum(axis=1)
        worst = int(near.argmin())
        detail = f"cosine to the vectors of {program}: {near.mean():.5f} on average, at least {near[worst]:.5f} on {len(near)} texts"
        fault = f"{detail}; furthest: {self.texts[worst][:60]!r}" if exact and near[worst] < SAME_DIRECTION else None
        return _make("vectors", artefact, fault, detail, cause)


class _Scorer:
    """Chosen and rejected answers of the test rows; what is compared are their scores."""

    program = "transformers"

    def __init__(self, settings: Any, renderer: Renderer, rows: list[dict[str, Any]], head: Path | None) -> None:
        self.talks, self.renderer, self.head = get_conversations(rows), renderer, read_head(head)
        self.texts = [renderer.render(messages, generate=False, tools=tools) for _, _, messages, tools in self.talks]

    def __len__(self) -> int:
        return len(self.talks)

    def _measure(self, net: Any) -> Any:
        import numpy

        from gaslamp.evaluate.likelihood import get_reward_scores

        pad = self.renderer.tokenizer.pad_token_id
        net.config.pad_token_id = pad
        found = dict(get_reward_scores(net, [self.renderer.tokenize(text) for text in self.texts], pad, 8))
        return numpy.array([found[n] for n in range(len(found))])

    def measure_evaluated(self, facts: ModelFacts, adapters: Path) -> Any:
        from gaslamp.evaluate.loading import load_evaluated

        return self._measure(load_evaluated(facts, adapters, "classifier"))

    def measure_merged(self, merged: Path) -> Any:
        from gaslamp.evaluate.loading import load_folder

        return self._measure(load_folder(merged, artefact="classifier"))

    def measure_served(self, server: Any, file: Path) -> Any:
        import numpy

        return numpy.array(list(score_conversations(server, self.talks, self.head, get_limit(file))))

    def check_tokens(self, level: str, server: Any) -> list[ParityCheck]:
        text_fault = token_fault = None
        bos = self.renderer.tokenizer.bos_token or ""
        for (row_id, side, messages, tools), text in zip(self.talks, self.texts, strict=True):
            served = server.apply_template(messages, tools, generate=False)
            if served not in (text, text.removeprefix(bos)):
                text_fault = text_fault or f"{row_id}, {side}: {served[-60:]!r} instead of {text[-60:]!r}"
            token_fault = token_fault or _find_other_tokens(
                f"{row_id}, {side}", server.tokenize(served, add_special=True), self.renderer.tokenize(text)
            )
        return [
            _make("prompt text", level, text_fault, f"{len(self)} conversations rendered to the same text", "text"),
            _make(
                "prompt tokens", level, token_fault, f"{len(self)} conversations became the same token ids", "tokens"
            ),
        ]

    def compare(self, artefact: str, found: Any, wanted: Any, program: str, cause: str, exact: bool) -> ParityCheck:
        off = abs(found - wanted) / max(float(wanted.max() - wanted.min()), 1e-6)
        worst = int(off.argmax())
        detail = f"scores differ from those of {program} by {100 * off.mean():.2f} % of their range on average, at most {100 * off[worst]:.2f} %, on {len(off)} answers"
        fault = (
            f"{detail}; furthest: {found[worst]:.3f} instead of {wanted[worst]:.3f} for {self.texts[worst][-60:]!r}"
            if exact and off[worst] > SAME_SCORE
            else None
        )
        return _make("scores", artefact, fault, detail, cause)
