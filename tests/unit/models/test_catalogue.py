"""The catalogue of base models: complete, sourced, and true to what transformers and llama.cpp know."""

from __future__ import annotations

import re
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from gaslamp.config.base_models import EMBEDDED, VISION_TOWERS
from gaslamp.core.files import get_cache_dir
from gaslamp.models.catalogue import ABILITIES, FILE, BaseModel, find_model, load_catalogue
from gaslamp.models.shape import Shape
from write_models import NAMES

FREE = {"apache-2.0", "mit"}
OTHER = {"llama3.1", "llama3.2", "llama3.3", "gemma", "falcon-llm-license"}
GROUPS = {"shape", "license", "languages", "context", "abilities", "released", "gguf"}
MODELS = load_catalogue()


def count(shape: Shape, heads: int, head_dim: int) -> int:
    """Weights of a plain decoder of this shape, without norms and biases."""
    attention = 2 * shape.hidden * heads * head_dim + 2 * shape.hidden * shape.kv_width
    each = attention + 3 * shape.hidden * shape.inner
    return shape.layers * each + shape.vocabulary * shape.hidden * (1 if shape.tied else 2)


def test_enough_models_of_enough_makers_and_no_name_twice() -> None:
    assert len(MODELS) >= 40 and len({model.family for model in MODELS}) >= 12
    assert len({model.id for model in MODELS}) == len(MODELS) == len({model.name for model in MODELS})
    assert sum("vision" in model.abilities for model in MODELS) >= 5, "for vision_sft"
    assert {"embedding", "tts"} <= {ability for model in MODELS for ability in model.abilities}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_every_fact_has_a_source_with_a_date(model: BaseModel) -> None:
    assert set(model.sources) == GROUPS | ({"gated"} if model.gated else set())
    for source in model.sources.values():
        assert source.title and source.url and date(2025, 1, 1) < date.fromisoformat(source.date) <= date(2026, 11, 30)
    assert model.license in FREE | OTHER and re.fullmatch(r"20\d\d-\d\d(-\d\d)?", model.released)
    assert model.id.count("/") == 1 and model.abilities <= set(ABILITIES) and model.context >= 4096
    assert model.languages and all(re.fullmatch("[a-z]{2}", code) for code in model.languages)
    assert model.template is None or model.template in NAMES, "a row of docs/models.md"


@pytest.mark.parametrize("entry", yaml.safe_load(FILE.read_text())["models"], ids=lambda entry: entry["id"])
def test_the_numbers_make_the_parameters(entry: dict[str, Any]) -> None:
    """A plain decoder has the weights of its shape; others are larger by what their kind adds."""
    model, numbers = find_model(entry["id"]), entry["shape"]
    assert model
    weights = count(model.shape, numbers["heads"], numbers["head_dim"]) + model.shape.tables
    if model.mixture:
        assert 0.3 * model.shape.active < weights < model.parameters / 2, "the width that one token uses"
        return
    other = model.architecture.endswith("ForConditionalGeneration")  # towers, gates, linear attention
    assert weights == pytest.approx(model.parameters, rel=0.25 if other else 0.03)
    assert model.files_gb == pytest.approx(model.parameters * 2 / 1e9, rel=0.1), "16 bit"
    assert 0 <= model.shape.active < model.parameters


def test_the_embedded_model_is_in_it_with_the_same_numbers() -> None:
    from gaslamp.environment.base_model import EMBEDDED_SHAPES

    found = [model for model in MODELS if model.embedded]
    encoders = {"all-minilm-l6-v2"}  # 0.02 billion parameters fit everywhere: nothing to advise
    assert {model.embedded for model in found} == set(EMBEDDED) - encoders
    for model in found:
        exact = EMBEDDED_SHAPES[model.embedded or ""]
        assert model.parameters == pytest.approx(exact.parameters, rel=0.005)
        assert (model.shape.hidden, model.shape.layers, model.shape.inner, model.shape.kv_width) == (
            exact.hidden,
            exact.layers,
            exact.inner,
            exact.kv_width,
        )
        assert find_model(model.source) is find_model(model.id) is model


def test_transformers_loads_what_the_catalogue_trains_on_texts() -> None:
    found = find_spec("transformers")
    assert found and found.submodule_search_locations
    code = (Path(found.submodule_search_locations[0]) / "models" / "auto" / "modeling_auto.py").read_text()

    def read_names(mapping: str) -> set[str]:  # importing it takes ten seconds and more
        block = code.partition(f"{mapping} = OrderedDict(")[2].partition("\n)")[0]
        return set(re.findall(r'"(\w+(?:ForCausalLM|ForConditionalGeneration))"', block))

    texts = read_names("MODEL_FOR_CAUSAL_LM_MAPPING_NAMES")
    images = read_names("MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES")
    assert "LlamaForCausalLM" in texts and "Qwen3VLForConditionalGeneration" in images
    for model in MODELS:
        # a model that reads images is loaded whole for texts too (get_model_class)
        assert model.architecture in texts | images or not model.text, model.id
        assert "vision" not in model.abilities or model.text, model.id
        assert "vision" not in model.abilities or model.architecture in images, model.id
        assert "vision" not in model.abilities or model.architecture in VISION_TOWERS, model.id


def test_the_pinned_llama_cpp_converts_what_the_catalogue_says() -> None:
    folders = sorted((get_cache_dir() / "llama.cpp").glob("source-*/conversion"))
    if not folders:
        pytest.skip("llama.cpp's source is not in the cache of this machine")
    registered = {
        name
        for file in folders[-1].glob("*.py")
        for name in re.findall(r'"([A-Za-z0-9_]+(?:ForCausalLM|ForConditionalGeneration))"', file.read_text())
    }
    for model in MODELS:
        assert not model.gguf or model.architecture in registered, model.id
