"""Whether a model folder holds the whole model that its config.json describes, before anything is built on it.

transformers draws a weight that it does not find at random, and says so among its warnings. Training, evaluation and
export would all go through with such a model.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

from gaslamp.core.console import say
from gaslamp.core.contracts import get_versions
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json
from gaslamp.models.dequantize import is_quantized, require_reversible
from gaslamp.models.loading import get_model_class

COPY = "copy or download the folder again"
SAVE = "save the model again with save_pretrained, from the program that made it"


class Found(TypedDict):
    """What transformers compared: names, and of tensors of another size (name, stored size, size by config.json)."""

    missing_keys: set[str]
    unexpected_keys: set[str]
    mismatched_keys: set[tuple[str, list[int], list[int]]]


def check_weights(folder: Path) -> None:
    """Compare the stored tensors with those of the architecture, by name and shape. No weight is read.

    Tensors that the architecture has no place for are said, and left out by every program that loads the folder.

    Raises:
        GaslampError: tensors are missing or of another shape, a file is missing or cut, transformers does not know the
            architecture, or the weights are quantized in a way that cannot be undone.
    """
    require_reversible(folder)
    if is_quantized(folder):
        return  # their names are compared when they are dequantized
    try:
        info = _read_loading_info(folder)
    except OSError as error:
        raise GaslampError(f"the weights in {folder} are not complete: {_get_line(error)}", COPY, SAVE) from error
    except ValueError as error:
        kind = read_json(folder / "config.json").get("model_type", "none")
        raise GaslampError(
            f"transformers {get_versions(('transformers',))['transformers']} cannot build the model in {folder} "
            f"(model_type {kind}): {_get_line(error)}",
            "set model.source to a model of a family that docs/models.md lists; code from a model folder is never run",
            "the model is newer than the installed transformers: install a newer one into .venv",
        ) from error
    except Exception as error:  # whatever an architecture does without its weights: loading decides, not this check
        say(f"the stored tensors are not compared with the architecture ({type(error).__name__}: {_get_line(error)})")
        return
    _require_whole(folder, info)
    if unexpected := sorted(info["unexpected_keys"]):
        say(
            f"{len(unexpected)} stored tensors have no place in the architecture of config.json and are left out: "
            f"{_name(unexpected)}"
        )


def _require_whole(folder: Path, info: Found) -> None:
    missing, unexpected = sorted(info["missing_keys"]), sorted(info["unexpected_keys"])
    if info["mismatched_keys"]:
        name, stored, described = sorted(info["mismatched_keys"])[0]
        raise GaslampError(
            f"config.json in {folder} describes another model than the one that is stored: {name} is "
            f"{list(stored)}, and by config.json {list(described)} ({len(info['mismatched_keys'])} such tensors)",
            "take config.json and weights from the same model",
            SAVE,
        )
    if not missing:
        return
    less_likely = SAVE
    if missing == ["lm_head.weight"]:
        less_likely = (
            "the output is the embedding, as in many small models: set tie_word_embeddings: true in config.json"
        )
    elif unexpected:
        less_likely = f"the names have a prefix of a wrapper ({unexpected[0]}): {SAVE}, without the wrapper"
    raise GaslampError(
        f"{folder} lacks {len(missing)} of the tensors that its config.json describes: {_name(missing)}; they would be "
        "random numbers",
        COPY,
        less_likely,
    )


def _read_loading_info(folder: Path) -> Found:
    """What transformers finds missing, unexpected or of another shape, with the renaming that it does for old names."""
    from safetensors import SafetensorError

    with _quiet():
        try:
            _, info = get_model_class(folder).from_pretrained(
                folder,
                device_map={"": "meta"},
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                trust_remote_code=False,
                use_safetensors=True,
            )
        except SafetensorError as error:
            raise OSError(str(error)) from error
    found: Found = info
    return found


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the tables and bars of transformers: what they say is said in words."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _get_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _name(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
