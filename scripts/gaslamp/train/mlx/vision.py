"""Vision models in MLX: mlx-vlm's networks, corrected where they would compute otherwise than transformers' of the same name.

Of mlx-vlm only the networks are used: its processors are copies of its own, and its trainer has no resume. The rows go through the
processor of transformers, as with TRL, and through the same loop as every other method.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json
from gaslamp.data.images import read_image
from gaslamp.models.processor import load_processor

TYPES = ("idefics3",)
"""Kinds of models whose logits a test holds against transformers'. Another kind may have other names for its layers there."""
MPS = "use snakemake --profile mps, which trains every model that transformers knows"


def find_problem(config: dict[str, Any]) -> str | None:
    """Why the model of a config.json is not trained here, or ``None``."""
    kind = str(config.get("model_type"))
    text, sees = config.get("text_config") or {}, config.get("vision_config") or {}
    if kind not in TYPES:
        return f"vision_sft on MLX knows Idefics3 (SmolVLM), this is {kind}: whether mlx-vlm computes as transformers does was measured for that alone"
    if text.get("model_type", "llama") != "llama":
        return f"its language model is {text['model_type']}: mlx-vlm computes a Llama"
    if (text.get("rope_parameters") or {}).get("rope_type", "default") != "default" or text.get("rope_scaling"):
        return "it stretches its positions (rope_scaling), which mlx-vlm leaves out for this kind of model"
    if sees.get("hidden_act", "gelu_pytorch_tanh") != "gelu_pytorch_tanh":
        return f"its eyes use {sees['hidden_act']}, mlx-vlm computes gelu_pytorch_tanh"
    return None


def load_model(folder: str | Path, dtype: str, quantization: str = "none") -> tuple[Any, dict[str, str]]:
    """A vision model in MLX from a Hugging Face folder, and the name that each of its modules has there.

    Args:
        folder: checkpoint with safetensors.
        dtype: float32, bfloat16 or float16: of every weight that is not quantized.
        quantization: none, 8bit or 4bit: how the weights of its language model are held; its eyes stay as they are.

    Raises:
        GaslampError: a kind of model that is not trained here, or no mlx-vlm.
    """
    import mlx.core as mx
    import mlx.nn as nn
    from mlx_lm.utils import quantize_model

    from gaslamp.train.mlx.checkpoints import GROUP, get_config_changes

    config = read_json(Path(folder) / "config.json")
    if problem := find_problem(config):
        raise GaslampError(f"{folder}: {problem}", MPS)
    config |= get_config_changes(config)
    # what the two take when config.json leaves it open is not the same
    config = {"image_token_id": 128257, **config, "text_config": {"rope_theta": 10000.0, **config["text_config"]}}
    with kept_processors():
        try:
            from mlx_vlm.utils import get_model_and_args, update_module_configs
        except ImportError as error:
            raise GaslampError(f"vision_sft on MLX needs mlx-vlm: {error}", "make mlx", MPS) from error
        kind, _ = get_model_and_args(config)
    settings = update_module_configs(kind.ModelConfig.from_dict(config), kind, config, ["text", "vision"])
    model = kind.Model(settings)
    weights = {
        name: value for file in sorted(Path(folder).glob("*.safetensors")) for name, value in mx.load(str(file)).items()
    }
    theirs = {id(value): name.removesuffix(".weight") for name, value in weights.items() if name.endswith(".weight")}
    if "lm_head.weight" not in weights:  # tied
        weights["lm_head.weight"] = weights["model.text_model.embed_tokens.weight"]
    ours = model.sanitize(weights)
    for part in (model.vision_model, model.language_model):
        ours = part.sanitize(ours)
    try:
        model.load_weights(list(ours.items()))
    except ValueError as error:
        raise GaslampError(f"mlx-vlm cannot load {folder}: {str(error).splitlines()[0][:300]}", MPS) from error
    model.vision_model.post_layernorm.eps = settings.vision_config.layer_norm_eps  # 1e-5 by itself
    model.set_dtype(getattr(mx, dtype))
    if quantization != "none":
        model.language_model, _ = quantize_model(
            model.language_model, {}, group_size=GROUP, bits=4 if quantization == "4bit" else 8
        )
    mx.eval(model.parameters())
    names = {name.removesuffix(".weight"): theirs[id(value)] for name, value in ours.items() if id(value) in theirs}
    return model, {
        name: names[name]
        for name, module in model.named_modules()
        if name in names and isinstance(module, nn.Linear | nn.QuantizedLinear)
    }


@contextmanager
def kept_processors() -> Iterator[None]:
    """mlx-vlm puts a reader of processors of its own into transformers when it is imported, one that trusts code of the checkpoint."""
    from transformers import AutoProcessor

    before = AutoProcessor.__dict__["from_pretrained"]
    try:
        yield
    finally:
        AutoProcessor.from_pretrained = before


class Eyes:
    """The model's own processor as TRL's collator asks it: text and images of a row to token ids and pixels."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.processor = load_processor(context.model_path)
        self.processor.tokenizer = context.tokenizer

    def read(self, names: list[str]) -> list[Any]:
        """The images of a row in the size that they are trained with."""
        options = self.context.options
        return [read_image(self.context.folder / name, options.shortest, options.longest) for name in names]

    def encode(self, row: dict[str, Any]) -> tuple[list[int], list[bool]]:
        """Ids of prompt and answer with the tokens that the images become, and which of them are learnt."""
        images = {"images": [self.read(row["images"])]} if row["images"] else {}
        prompt = self.processor(text=[row["prompt"]], add_special_tokens=False, **images)["input_ids"][0]
        answer = self.processor.tokenizer(row["completion"], add_special_tokens=False)["input_ids"]
        return [*map(int, prompt), *answer], [False] * len(prompt) + [True] * len(answer)

    def get_pixels(self, names: list[str]) -> Any:
        """The images of a row, or the tiles they are cut into: [count, channels, height, width], float32."""
        import numpy

        found = self.processor.image_processor([self.read(names)], return_tensors="np")
        if not numpy.all(found.get("pixel_attention_mask", 1)):
            raise GaslampError(
                f"the image processor of {self.context.model_path} leaves images of unlike size and fills them up, which mlx-vlm would look at too",
                MPS,
            )
        return found["pixel_values"][0]
