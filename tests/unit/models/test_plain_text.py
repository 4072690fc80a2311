"""Models that read plain texts: encoders, and base models without a chat template."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny
from gaslamp.config.schema import Config
from gaslamp.core.errors import GaslampError
from gaslamp.models.checkpoint import is_encoder_model
from gaslamp.models.config_check import find_problems
from gaslamp.models.loading import load_model, load_tokenizer
from gaslamp.models.plain_text import build_plain_template, get_text_ends
from gaslamp.models.template import Renderer, build_template
from gaslamp.models.tokenizer_files import save_tokenizer


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_encoder_checkpoint(tmp_path_factory.mktemp("encoder") / "tiny-bert")


def test_an_encoder_is_known_by_its_architecture(encoder: Path, tiny_model: Path) -> None:
    assert is_encoder_model(encoder) and not is_encoder_model(tiny_model)
    assert type(load_model(encoder, "float32")).__name__ == "BertModel"


def test_what_a_tokenizer_puts_around_a_text(encoder: Path, tiny_model: Path) -> None:
    assert get_text_ends(load_tokenizer(encoder)) == ("[CLS]", "[SEP]")
    assert get_text_ends(load_tokenizer(tiny_model)) == ("", "")


def test_the_recorded_template_of_an_encoder(encoder: Path, tmp_path: Path) -> None:
    template = build_plain_template(encoder, "tea for two")
    tokenizer = load_tokenizer(encoder)
    assert (template.chat_template, template.eos_token, template.pad_token) == ("", "[SEP]", "[PAD]")
    assert template.example_ids == tokenizer("tea for two")["input_ids"] and not any(template.example_trained)
    save_tokenizer(encoder, tmp_path, template)
    assert load_tokenizer(tmp_path)("tea")["input_ids"] == tokenizer("tea")["input_ids"]
    assert not (tmp_path / "chat_template.jinja").exists()


def test_a_pair_is_counted_with_the_tokens_around_its_texts(encoder: Path) -> None:
    from gaslamp.data.encode import encode_rows, split_row

    renderer = Renderer.load(encoder, build_plain_template(encoder, "tea"))
    row = {"anchor": "tea for two", "positive": "soup"}
    sides = encode_rows(renderer, [split_row(renderer, row)])[0]
    wanted = [load_tokenizer(encoder)(text)["input_ids"] for text in row.values()]
    assert [side.ids for side in sides] == wanted and not any(any(side.trained) for side in sides)


def test_a_base_model_without_a_template_learns_plain_text_alone(tmp_path: Path) -> None:
    base = tiny.write_checkpoint(tmp_path / "base", template=None)
    template = build_plain_template(base, "tea")
    assert template.chat_template == "" and all(template.example_trained)
    with pytest.raises(GaslampError, match="no chat template"):
        build_template(base, [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}])


def test_an_encoder_writes_no_answers(encoder: Path) -> None:
    with pytest.raises(GaslampError, match="is an encoder"):
        build_template(encoder, [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}])


@pytest.mark.parametrize("source", ["embedded:all-minilm-l6-v2", "FOLDER"])
def test_it_is_refused_before_anything_runs(source: str, encoder: Path, tmp_path: Path) -> None:
    source = str(encoder) if source == "FOLDER" else source
    for method, expected in (("sft", 1), ("embedding", 0)):
        config = Config.model_validate({"model": {"source": source}, "method": method})
        found = find_problems(config, tmp_path)
        assert len(found) == expected and all("it is for method: embedding" in problem.message for problem in found)


def test_another_pooling_of_the_base_is_named(tmp_path: Path) -> None:
    from gaslamp.train.methods.embedding import _get_other_pooling

    assert _get_other_pooling(tmp_path) is None
    (tmp_path / "1_Pooling").mkdir()
    for value, expected in (
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls_token"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, None),
        ({"embedding_dimension": 64, "pooling_mode": "lasttoken"}, "lasttoken"),
    ):
        (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(value))
        assert _get_other_pooling(tmp_path) == expected
