"""Load tokenizer and model of a checkpoint folder, with or without what training left."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from gaslamp.config.methods import get_method, is_multimodal
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.models.checkpoint import is_encoder_model, is_vision
from gaslamp.models.dequantize import is_quantized, read_state

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast
    from transformers.models.auto.auto_factory import _BaseAutoModelClass


def leave_out_torch() -> None:
    """Load transformers as where torch is not installed: a tokenizer takes 1.3 s of a processor then instead of 5.

    For the program of a step that renders and cuts text and loads no model; torch itself can still be imported.
    transformers looks for torch once, when it is imported: that happens here, and nothing where it has happened.
    """
    if "transformers" in sys.modules or "torch" in sys.modules:
        return
    quiet = "TRANSFORMERS_NO_ADVISORY_WARNINGS"  # it would say that models are not available
    before = os.environ.get(quiet)
    os.environ[quiet] = "1"
    sys.modules["torch"] = None  # type: ignore[assignment]  # Python's mark of a module that cannot be imported
    try:
        import transformers

        assert not transformers.utils.is_torch_available()
    finally:
        del sys.modules["torch"]
        os.environ.pop(quiet) if before is None else os.environ.update({quiet: before})


def is_torch_needed(method: str) -> bool:
    """Whether the data phase of a method may load a model: codecs of speech, processors of images, and what a project's
    own plug-ins do.
    """
    kinds = ("formats", "checks", "embedded", "methods")
    own = any(registry.get_own_folder(kind).is_dir() for kind in kinds)
    return own or is_multimodal(method) or "speech" in get_method(method).KINDS


def load_tokenizer(path: str | Path) -> PreTrainedTokenizerFast:
    """The fast tokenizer of a model folder, as its tokenizer.json has it; no code from the folder is run.

    transformers 5 builds some classes (LlamaTokenizer) with a pre-tokenizer of their own, whatever tokenizer.json says:
    models whose tokenizer_config.json names such a class by mistake would lose every space
    (https://github.com/huggingface/transformers/issues/45488). llama.cpp and other servers read tokenizer.json.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    try:
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise GaslampError(
            f"the tokenizer in {path} needs a program of its own, and code from a model folder is never run",
            "take a model whose tokenizer is a tokenizer.json alone: see docs/models.md",
            "delete auto_map from tokenizer_config.json, where tokenizer.json is complete",
        ) from error
    if _is_as_recorded(tokenizer, Path(path) / "tokenizer.json"):
        return tokenizer
    return PreTrainedTokenizerFast.from_pretrained(path)


def _is_as_recorded(tokenizer: PreTrainedTokenizerFast, file: Path) -> bool:
    """Whether a tokenizer cuts text as ``file`` says; True without the file."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or type(tokenizer).__name__ == "TokenizersBackend" or not file.is_file():
        return True
    recorded = orjson.loads(file.read_bytes())
    for name in ("normalizer", "pre_tokenizer", "decoder"):
        part = getattr(backend, name)
        built = orjson.loads(part.__getstate__()) if part is not None else None  # its state is its JSON
        if _get_kernel(built, name) != _get_kernel(recorded.get(name), name):
            return False
    return True


def _get_kernel(part: Any, name: str) -> Any:
    """A part of tokenizer.json without what changes neither ids nor text."""
    if isinstance(part, list):
        return [_get_kernel(item, name) for item in part]
    if not isinstance(part, dict):
        return part
    items = next((part[key] for key in ("normalizers", "pretokenizers", "decoders") if key in part), None)
    if items == []:
        return None
    if name == "decoder" and part.get("type") == "ByteLevel":
        return "ByteLevel"  # decoding reads none of its settings
    return {key: _get_kernel(value, name) for key, value in part.items() if key != "trim_offsets"}


def encode_texts(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> list[list[int]]:
    """Token ids of each text, without added special tokens; what ``tokenizer(texts)`` gives, in two thirds of the time.

    The tokenizer itself encodes, not its wrapper: that computes where each token stands in the text as well, which
    no one reads here. A tokenizer class with an encoding of its own is called as usual.
    """
    from transformers import PreTrainedTokenizerFast

    if not texts:
        return []
    own = [name for name in ("_encode_plus", "_batch_encode_plus") if hasattr(PreTrainedTokenizerFast, name)]
    if not all(getattr(type(tokenizer), name, None) is getattr(PreTrainedTokenizerFast, name) for name in own):
        ids: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
        return ids
    backend = tokenizer.backend_tokenizer
    if backend.padding is not None:  # an earlier call can have left it
        backend.no_padding()
    if backend.truncation is not None:
        backend.no_truncation()
    if backend.encode_special_tokens != tokenizer.split_special_tokens:
        backend.encode_special_tokens = tokenizer.split_special_tokens
    return [encoding.ids for encoding in backend.encode_batch_fast(texts, add_special_tokens=False)]


def get_model_class(folder: str | Path) -> type[_BaseAutoModelClass]:
    """The class of transformers that loads a checkpoint: one for training, evaluation and export.

    A checkpoint that reads images is loaded whole for texts too. transformers has a class for the language model alone
    for some (Qwen3.5), whose layers have other names: an adapter of the one fits no layer of the other.
    """
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForImageTextToText

    kind: type[_BaseAutoModelClass] = AutoModelForImageTextToText if is_vision(folder) else AutoModelForCausalLM
    return AutoModel if is_encoder_model(folder) else kind


def load_model(path: str | Path, dtype: str, adapters: str | Path | None = None, merge: bool = True) -> PreTrainedModel:
    """A language model, with its vision tower if it has one, or an encoder, in evaluation mode on the CPU.

    Args:
        path: model folder.
        dtype: float32, bfloat16 or float16.
        adapters: what training left: a PEFT adapter folder to put on top, or a folder with the whole model (full
            fine-tuning), which is then loaded instead; ``None``: the base.
        merge: fold the adapter into the weights in memory: same arithmetic as the merged model, and faster.
    """
    import torch

    whole = adapters is not None and not (Path(adapters) / "adapter_config.json").is_file()
    folder = adapters if whole else path
    options: dict[str, Any] = {
        "dtype": getattr(torch, dtype),
        "trust_remote_code": False,
        "use_safetensors": True,
    }  # transformers takes sdpa attention where the architecture has it (gpt-oss has not)
    if is_quantized(str(folder)):
        model = _load_dequantized(str(folder), options["dtype"])
    else:
        model = get_model_class(str(folder)).from_pretrained(folder, **options)
    if adapters is not None and not whole:
        model = attach_adapter(model, Path(adapters))
        if merge:
            model = model.merge_and_unload()
    return model.eval()


def separate_head(model: PreTrainedModel, adapters: Path) -> None:
    """Give the output a matrix of its own where it is the embedding and an adapter changes one of the two.

    Training changes the one that was named; a merge into the shared matrix would change both, and the merged model
    would be neither the trained nor the evaluated one.
    """
    import torch
    from safetensors import safe_open

    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    if head is None or head.weight is not embedding.weight or not (adapters / "adapter_model.safetensors").is_file():
        return
    names = [f".{name}." for name, module in model.named_modules() if module is head or module is embedding]
    with safe_open(adapters / "adapter_model.safetensors", framework="pt") as tensors:
        if not any(name in key for key in tensors.keys() for name in names):  # noqa: SIM118 - no dict
            return
    head.weight = torch.nn.Parameter(embedding.weight.detach().clone(), requires_grad=False)
    for config in {id(one): one for one in (model.config, model.config.get_text_config())}.values():
        config.tie_word_embeddings = False


def attach_adapter(model: PreTrainedModel, adapters: Path) -> PreTrainedModel:
    """``model`` with a PEFT adapter.

    Args:
        model: the base model.
        adapters: PEFT folder.

    Raises:
        GaslampError: weights of the adapter fit no layer. PEFT only warns, and the base model would be evaluated.
    """
    from peft import PeftModel

    separate_head(model, adapters)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*missing adapter keys")
        try:
            return PeftModel.from_pretrained(model, str(adapters))
        except UserWarning as error:
            raise GaslampError(
                f"the adapter in {adapters} was made for a model with other layers: "
                f"{str(error).split(':', 1)[-1].strip()[:200]}",
                "delete the folder and run the same command: it is trained again",
                "model.source was changed by hand after the training",
            ) from error


def _load_dequantized(folder: str, dtype: torch.dtype) -> PreTrainedModel:
    """A model whose 4-bit weights are full ones, without a GPU: what an adapter trained on a 4-bit base belongs to."""
    from transformers import AutoConfig, GenerationConfig

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    del config.quantization_config
    model: PreTrainedModel = get_model_class(folder).from_config(config, dtype=dtype, trust_remote_code=False)
    missing, unexpected = model.load_state_dict(read_state(folder, dtype), strict=False)
    if config.tie_word_embeddings:
        missing = [name for name in missing if name != "lm_head.weight"]
    if missing or unexpected:
        raise GaslampError(
            f"the 4-bit weights in {folder} do not fit its architecture: {', '.join([*missing, *unexpected][:3])}",
            "set model.source to the 16-bit version of this model",
        )
    model.tie_weights()
    if (Path(folder) / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(folder)
    return model
