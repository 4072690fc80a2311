"""Vision models in MLX: mlx-vlm's networks, corrected where they differ from transformers' of the same name.

Of mlx-vlm only the networks are used: its processors are copies of its own, and its trainer cannot resume. The rows go
through the processor of transformers, as with TRL, and through the same loop as every other method.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json
from gaslamp.data.images import read_image
from gaslamp.models.processor import load_processor
from gaslamp.train.method import Context
from gaslamp.train.mlx.checkpoints import GROUP, get_config_changes
from gaslamp.train.mlx.types import Array, Model
from gaslamp.train.mlx.vision_support import MPS, find_problem
from gaslamp.train.types import Columns


def load_model(folder: str | Path, dtype: str, quantization: str = "none") -> tuple[Model, dict[str, str]]:
    """A vision model in MLX from a Hugging Face folder, and the name that each of its modules has there.

    Args:
        folder: checkpoint with safetensors.
        dtype: float32, bfloat16 or float16: of every weight that is not quantized.
        quantization: none, 8bit or 4bit: how the weights of its language model are held; the vision tower keeps its
            type.

    Raises:
        GaslampError: a type of model that MLX does not train here, or no mlx-vlm.
    """
    import mlx.core as mx
    import mlx.nn as nn
    from mlx_lm.utils import quantize_model

    config = read_json(Path(folder) / "config.json")
    if problem := find_problem(config):
        raise GaslampError(f"{folder}: {problem}", MPS)
    config |= get_config_changes(config)
    # the two have other defaults where config.json leaves a value open
    config = {"image_token_id": 128257, **config, "text_config": {"rope_theta": 10000.0, **config["text_config"]}}
    with keep_processors():
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
def keep_processors() -> Iterator[None]:
    """Undo mlx-vlm's patch of transformers' processor loader on import, which would run code of a checkpoint."""
    from transformers import AutoProcessor

    before = AutoProcessor.__dict__["from_pretrained"]
    try:
        yield
    finally:
        AutoProcessor.from_pretrained = before


class ImageEncoder:
    """The model's own processor, called as in TRL's collator: text and images of a row to token ids and pixels."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.processor = load_processor(context.model_path)
        self.processor.tokenizer = context.tokenizer

    def read(self, names: list[str]) -> list[object]:
        """The images of a row, in the size that they are trained with."""
        options = self.context.options
        return [read_image(self.context.folder / name, options.shortest, options.longest) for name in names]

    def encode(self, row: Columns) -> tuple[list[int], list[bool]]:
        """Ids of prompt and answer with the tokens that the images become, and which of them carry loss."""
        images = {"images": [self.read(row["images"])]} if row["images"] else {}
        prompt = self.processor(text=[row["prompt"]], add_special_tokens=False, **images)["input_ids"][0]
        answer = self.processor.tokenizer(row["completion"], add_special_tokens=False)["input_ids"]
        return [*map(int, prompt), *answer], [False] * len(prompt) + [True] * len(answer)

    def get_pixels(self, names: list[str]) -> Array:
        """The images of a row, or the tiles that they are cut into: float32 array [count, channels, height, width]."""
        import numpy

        found = self.processor.image_processor([self.read(names)], return_tensors="np")
        if not numpy.all(found.get("pixel_attention_mask", 1)):
            raise GaslampError(
                f"the image processor of {self.context.model_path} pads images of different sizes, and mlx-vlm would "
                "attend to the padding",
                MPS,
            )
        return found["pixel_values"][0]
