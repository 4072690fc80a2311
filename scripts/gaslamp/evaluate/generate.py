"""One loaded model: it answers prompts and scores given texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.core.console import Progress
from gaslamp.core.contracts import Template
from gaslamp.data.rows import get_images
from gaslamp.evaluate.batch_size import find_batch_size
from gaslamp.evaluate.decode import Sampling, decode
from gaslamp.evaluate.likelihood import get_likelihoods, get_reward_scores
from gaslamp.evaluate.predictions import Prediction, make_prediction
from gaslamp.evaluate.prompts import EvalPrompt
from gaslamp.evaluate.scored_texts import Text
from gaslamp.evaluate.tool_calls import learn_call_syntax
from gaslamp.evaluate.vision import ImageInputs, answer_images
from gaslamp.models.template import Renderer

if TYPE_CHECKING:
    from gaslamp.evaluate.protocols import LanguageModel

LIKELIHOOD_BATCH = 8


class NoProgress(Progress):
    """Progress that prints nothing."""

    def update(self, done: int, extra: str = "", remaining: float | None = None) -> None:
        """Nothing."""


@dataclass
class ModelRunner:
    """One loaded model with everything that its prompts are rendered with."""

    model: LanguageModel
    renderer: Renderer
    template: Template
    sampling: Sampling
    batch_size: int | None  # None: as many rows as fit into memory
    folder: Path  # image paths in rows are relative to it
    model_path: Path
    sizes: dict[str, int] = field(default_factory=dict)  # of images, in pixels, as in training; empty: unchanged
    quiet: bool = False  # no progress lines

    def answer(self, prompts: list[EvalPrompt], before: int = 0) -> Iterator[Prediction]:
        """Yield one prediction for each prompt as it ends.

        Args:
            prompts: with or without images.
            before: prompts that were answered earlier, for the progress line.
        """
        with_images = [prompt for prompt in prompts if get_images(prompt.messages)]
        texts = [prompt for prompt in prompts if not get_images(prompt.messages)]
        total = before + len(prompts)
        progress = NoProgress("answer", total) if self.quiet else Progress("answer", total)
        progress.update(before)
        for done, prediction in enumerate(self._answer(with_images, texts), before + 1):
            yield prediction
            progress.update(done)

    def _answer(self, with_images: list[EvalPrompt], texts: list[EvalPrompt]) -> Iterator[Prediction]:
        if with_images:
            inputs = ImageInputs.load(self.model_path, self.renderer.tokenizer.pad_token, self.folder, self.sizes)
            yield from answer_images(
                self.model, self.renderer, self.template, inputs, with_images, self.batch_size, self.sampling
            )
        encoded = [self._encode(prompt) for prompt in texts]
        if not encoded:
            return
        stop_ids, pad_id = self.template.stop_ids, self.template.pad_id
        limits = [prompt.max_tokens for prompt in texts]
        size = self.batch_size or find_batch_size(self.model, encoded, limits, pad_id)
        syntax = learn_call_syntax(self.renderer.render) if any(prompt.tools for prompt in texts) else None
        tokenizer = self.renderer.tokenizer
        for answer in decode(self.model, encoded, limits, stop_ids, pad_id, size, self.sampling):
            prompt, ids = texts[answer.index], list(answer.tokens)
            # some templates mark calls by special tokens
            calls = (
                syntax.parse(tokenizer.decode(ids, skip_special_tokens=False), prompt.tools)
                if syntax and prompt.tools
                else None
            )
            thought, text = self.renderer.read_answer(ids)
            yield make_prediction(prompt, text, answer.stopped, len(ids), answer.seconds, ids, calls, thought)

    def _encode(self, prompt: EvalPrompt) -> list[int]:
        tools = {"tools": prompt.tools} if prompt.tools else {}
        return self.renderer.encode_prompt(prompt.messages, **tools)

    def score_texts(self, texts: list[Text], artefact: str = "causal_lm") -> Iterator[tuple[Text, dict[str, float]]]:
        """Yield each text with its ``logp`` and ``tokens``, or for a classifier with its ``score``, batch by batch."""
        if not texts:
            return
        size = min(self.batch_size or LIKELIHOOD_BATCH, LIKELIHOOD_BATCH)
        pad = self.template.pad_id
        progress = Progress("read", len(texts))
        progress.update(0)
        if artefact == "classifier":
            self.model.config.pad_token_id = pad
            scores = get_reward_scores(self.model, [text.sequence.ids for text in texts], pad, size)
            for done, (number, score) in enumerate(scores, 1):
                yield texts[number], {"score": score}
                progress.update(done)
            return
        found = get_likelihoods(self.model, [text.sequence for text in texts], pad, size)
        for done, (number, logp, tokens) in enumerate(found, 1):
            yield texts[number], {"logp": logp, "tokens": tokens}
            progress.update(done)
