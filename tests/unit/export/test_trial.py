"""A base model is refused before the training, or a small copy of it is proven: for models as people bring them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import get_cache_dir, read_json, write_json
from gaslamp.export import trial as trials
from gaslamp.export.llamacpp.gguf_facts import read_gguf_facts
from gaslamp.export.llamacpp.sentencepiece_file import get_space_prefix, write_sentencepiece
from gaslamp.export.llamacpp.staging import convert_staged, get_file_name, stage, wants_bos
from gaslamp.export.llamacpp.toolchain import Toolchain, ensure_toolchain
from gaslamp.export.parity import prompts
from gaslamp.export.trial import Trial, get_key, require_trial, try_export

pytestmark = pytest.mark.usefixtures("warm_converter")
NO_SYSTEM = tiny.CHATML.replace(
    "{% for message in messages %}",
    "{% for message in messages %}{% if message['role'] == 'system' %}{{ raise_exception('no system turn') }}"
    "{% endif %}",
)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Toolchain:
    return ensure_toolchain(get_cache_dir(), tmp_path_factory.mktemp("tools") / "log.txt")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials are remembered in a cache of the test."""
    monkeypatch.setattr(trials, "get_cache_dir", lambda: tmp_path / "cache")


def edit(file: Path, **values: Any) -> None:
    write_json(file, {**read_json(file), **values})


DATED = (
    "{%- if not date_string is defined %}{%- set date_string = strftime_now('%d %b %Y') %}{%- endif %}"
    "{{- 'Today: ' + date_string + '\\n' }}"
) + tiny.CHATML


def write_words(folder: Path, template: str | None = tiny.CHATML) -> Path:
    """A SentencePiece model in tokenizer.json alone, with merges whose order decides, and more rows than tokens."""
    tiny.write_checkpoint(folder, template)
    file = folder / "tokenizer.json"
    value = json.loads(file.read_text(encoding="utf-8"))
    vocabulary = value["model"]["vocab"]
    merges = [
        ("h", "e"),
        ("l", "l"),
        ("e", "l"),
        ("he", "ll"),
        ("hell", "o"),
        ("▁", "hello"),
        ("t", "h"),
        ("t", "he"),
        ("th", "e"),
    ]
    for piece in ("h", "e", "l", "o", "t", *(left + right for left, right in merges)):
        vocabulary.setdefault(piece, len(vocabulary))
    value["model"]["merges"] = [list(merge) for merge in merges]
    file.write_text(json.dumps(value), encoding="utf-8")
    edit(folder / "config.json", vocab_size=len(vocabulary) + 28)
    return folder


def test_a_model_that_works_is_tried_once(tools: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tiny.write_checkpoint(tmp_path / "base")
    found = try_export(base, "tiny", tools, tmp_path / "log.txt")
    assert found.tried and found.family == "ChatML" and found.problems == found.warnings == []
    assert {"prompt text", "prompt tokens", "BOS tokens", "endpoint prompt"} <= {check.name for check in found.checks}
    monkeypatch.setattr(trials, "_try", lambda *arguments: pytest.fail("it was remembered"))
    assert try_export(base, "tiny", tools, tmp_path / "log.txt") == found
    key = get_key(base, tools)
    edit(base / "tokenizer_config.json", chat_template=NO_SYSTEM)
    assert get_key(base, tools) != key, "another template is another trial"


def test_a_template_that_refuses_a_system_turn(
    tools: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(prompts, "say", said.append)
    base = tiny.write_checkpoint(tmp_path / "base", NO_SYSTEM)
    found = try_export(base, "tiny", tools, tmp_path / "log.txt")
    assert found.tried and found.problems == []
    assert said == ["prompts that the chat template refuses are left out: system prompt (no system turn)"]


def test_the_date_of_a_template_is_pinned_for_the_server_too(tools: Toolchain, tmp_path: Path) -> None:
    """llama-server gives templates today's date: that of the recorded template must win."""
    base = tiny.write_checkpoint(tmp_path / "base", DATED)
    found = try_export(base, "dated", tools, tmp_path / "log.txt")
    assert found.tried and found.problems == []


@pytest.mark.parametrize("kind", ["llama", "gemma2", "phi3"])
def test_pieces_are_merged_as_in_training_and_a_padded_vocabulary_loads(
    kind: str, tools: Toolchain, tmp_path: Path
) -> None:
    """Without tokenizer.model, llama.cpp's converter refuses Gemma 2 and Phi-3; of a Llama it gives all tokens one
    score and forgets the padding.
    """
    base = write_words(tmp_path / "base")
    names = {"llama": "LlamaForCausalLM", "gemma2": "Gemma2ForCausalLM", "phi3": "Phi3ForCausalLM"}
    more = {"gemma2": {"head_dim": 32, "query_pre_attn_scalar": 32, "hidden_activation": "gelu_pytorch_tanh"}}
    edit(base / "config.json", architectures=[names[kind]], model_type=kind, **more.get(kind, {}))
    if kind == "phi3":  # its tokenizer puts a space before a text, and the converter takes that for granted
        value = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
        parts = [{"type": "Prepend", "prepend": "▁"}, value["normalizer"]]
        value["normalizer"] = {"type": "Sequence", "normalizers": parts}
        (base / "tokenizer.json").write_text(json.dumps(value), encoding="utf-8")
    found = try_export(base, "words", tools, tmp_path / "log.txt")
    assert found.tried and found.problems == []
    tokens = next(check for check in found.checks if check.name == "prompt tokens")
    assert tokens.passed and "became the same token ids" in tokens.detail


def test_an_architecture_that_llama_cpp_does_not_know(tools: Toolchain, tmp_path: Path) -> None:
    """OPT is trained by transformers and not converted: known before the training, with a way out that works."""
    base = tiny.write_checkpoint(tmp_path / "base")
    config = {
        **{key: read_json(base / "config.json")[key] for key in ("vocab_size", "bos_token_id", "eos_token_id")},
        "architectures": ["OPTForCausalLM"],
        "model_type": "opt",
        "hidden_size": 64,
        "word_embed_proj_dim": 64,
        "ffn_dim": 128,
        "num_hidden_layers": 12,
        "num_attention_heads": 4,
        "pad_token_id": 0,
    }
    write_json(base / "config.json", config)
    with pytest.raises(GaslampError) as caught:
        try_export(base, "org/opt", tools, tmp_path / "log.txt")
    assert "OPTForCausalLM" in caught.value.cause and "before the training" in caught.value.cause
    assert "formats: [merged]" in caught.value.fix
    assert not list((tmp_path / "cache").rglob("*.json")), "a refusal is tried again"


def test_a_pre_tokenizer_that_llama_cpp_does_not_know(tools: Toolchain, tmp_path: Path) -> None:
    base = tiny.write_checkpoint(tmp_path / "base")
    file = base / "tokenizer.json"
    value = json.loads(file.read_text(encoding="utf-8"))
    letters = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    from tokenizers.pre_tokenizers import ByteLevel

    names = [token["content"] for token in value["added_tokens"]] + sorted(ByteLevel.alphabet())
    value |= {"normalizer": None, "pre_tokenizer": letters, "decoder": letters}
    value["model"] |= {"byte_fallback": False, "vocab": {name: n for n, name in enumerate(names)}, "unk_token": None}
    file.write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(GaslampError) as caught:
        try_export(base, "org/odd", tools, tmp_path / "log.txt")
    assert "pre-tokenizer was not recognized" in caught.value.cause and "formats: [merged]" in caught.value.fix


def test_a_model_of_which_no_copy_can_be_made(tools: Toolchain, tmp_path: Path) -> None:
    base = tiny.write_checkpoint(tmp_path / "base")
    edit(base / "config.json", model_type="something_new")
    found = try_export(base, "org/new", tools, tmp_path / "log.txt")
    assert not found.tried and "something_new" in found.summary and found.problems == []


def test_problems_stop_unless_parity_is_warn() -> None:
    trial = Trial(tried=True, summary="other prompts", problems=["prompt tokens: row 1", "BOS tokens: row 1"])
    with pytest.raises(GaslampError, match="prompt tokens: row 1; BOS tokens: row 1"):
        require_trial(trial, "block")
    require_trial(trial, "warn")


def test_no_bos_is_added_where_the_template_has_none(tools: Toolchain, tmp_path: Path) -> None:
    """The tokenizer adds one by itself, as for plain text; the rows were rendered without it."""
    base = write_words(tmp_path / "base", tiny.CHATML.replace("<|im_start|>", "<|endoftext|>"))
    edit(base / "tokenizer_config.json", add_bos_token=True)
    write_json(base / "gaslamp.json", {"base": "org/some-name"})
    convert_staged(tools, base, tmp_path / "model.gguf", "org/some-name", tmp_path / "log.txt")
    assert read_gguf_facts(tmp_path / "model.gguf")["add_bos"] is False
    assert b"staged" not in (tmp_path / "model.gguf").read_bytes(), "a name of this conversion would be in no other one"


@pytest.mark.parametrize("adds", [True, False])
def test_the_staged_settings_name_the_bos_token_of_every_tokenizer(adds: bool, tmp_path: Path) -> None:
    """Without the key, llama.cpp puts a BOS token before the text of some vocabularies (Llama 3, Tekken), and a BPE
    model says nothing of it by itself. A token that a template begins with is no BOS token of plain text.
    """
    base = tiny.write_checkpoint(tmp_path / "base")
    file = base / "tokenizer.json"
    value = json.loads(file.read_text(encoding="utf-8"))
    value["model"]["byte_fallback"] = False  # no SentencePiece
    if adds:
        token = {"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}
        text = {"Sequence": {"id": "A", "type_id": 0}}
        known = {"<|im_start|>": {"id": "<|im_start|>", "ids": [1], "tokens": ["<|im_start|>"]}}
        single = {"single": [token, text], "pair": [token, text, {"Sequence": {"id": "B", "type_id": 1}}]}
        value["post_processor"] = {"type": "TemplateProcessing", "special_tokens": known, **single}
    file.write_text(json.dumps(value), encoding="utf-8")
    settings = read_json(base / "tokenizer_config.json")
    settings.pop("add_bos_token")
    settings["tokenizer_class"] = "LlamaTokenizerFast" if adds else "PreTrainedTokenizerFast"
    write_json(base / "tokenizer_config.json", settings)
    assert wants_bos(base) is adds
    (tmp_path / "place").mkdir()
    staged = stage(base, tmp_path / "place", wants_bos(base))
    # transformers gives the class of Llama a pre-tokenizer of its own, which llama.cpp does not recognize
    expected = {"add_bos_token": adds, "tokenizer_class": "PreTrainedTokenizerFast"}
    assert read_json(staged / "tokenizer_config.json") == settings | expected
    assert (staged / "tokenizer.json").read_bytes() == file.read_bytes() and (staged / "model.safetensors").is_file()


def test_scores_are_the_order_of_the_merges(tmp_path: Path) -> None:
    from sentencepiece import SentencePieceProcessor

    base = write_words(tmp_path / "base")
    assert write_sentencepiece(base, tmp_path / "tokenizer.model")
    pieces = SentencePieceProcessor()
    pieces.LoadFromFile(str(tmp_path / "tokenizer.model"))
    scores = [pieces.GetScore(pieces.PieceToId(piece)) for piece in ("he", "ll", "el", "hell", "hello", "▁hello")]
    assert scores == [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0]
    assert pieces.IsByte(pieces.PieceToId("<0x0A>")) and pieces.IsControl(pieces.PieceToId("<|im_end|>"))


def test_a_package_that_is_missing_is_named_with_its_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    base = write_words(tmp_path / "base")
    with pytest.raises(GaslampError, match="cannot be written for llama.cpp: the package sentencepiece is missing"):
        write_sentencepiece(base, tmp_path / "tokenizer.model")


@pytest.mark.parametrize(
    ("normalizer", "pre_tokenizer", "expected"),
    [
        ({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace"}]}, None, True),
        ({"type": "Replace"}, None, False),
        (None, {"type": "Metaspace", "prepend_scheme": "first"}, False),
        (None, {"type": "Metaspace", "prepend_scheme": "always"}, True),
        (None, {"type": "Metaspace"}, True),
        (None, {"type": "Split"}, False),
    ],
)
def test_space_before_a_text(normalizer: Any, pre_tokenizer: Any, expected: bool) -> None:
    assert get_space_prefix({"normalizer": normalizer, "pre_tokenizer": pre_tokenizer}) is expected


def test_phi3_is_called_so_only_if_its_tokens_drop_white_space(tmp_path: Path) -> None:
    base = tiny.write_checkpoint(tmp_path / "base")
    assert get_file_name(base, "microsoft/Phi-3-mini") == "Phi-3-mini", "llama.cpp has its own rule for this name"
    edit(base / "config.json", model_type="phi3")
    assert get_file_name(base, "microsoft/Phi-3-mini") == "Phi_3-mini"
    value = read_json(base / "tokenizer.json")
    for token in value["added_tokens"]:
        token["rstrip"] = True
    write_json(base / "tokenizer.json", value)
    assert get_file_name(base, "org/mine") == "Phi-3 mine" and "phi-3" in get_file_name(base, "x/phi3").lower()
