"""A tiny chat model and a tiny task that go through the whole graph in about a minute, and the commands to drive it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from gaslamp.core.files import write_json
from gaslamp.core.workflow_state import runs_jobs
from warm import get_server, get_step_python

ROOT = Path(__file__).resolve().parents[1]
SNAKEMAKE = Path(sys.executable).with_name("snakemake")
WARM_STEPS = "import sys; sys.executable = sys.argv.pop(1); from snakemake.cli import main; main()"
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
    "'\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
ITEMS = ["tea", "latte", "mocha", "bagel", "scone", "soup", "cocoa", "toast", "juice", "quiche"]
NAMES = ["Ana", "Ben", "Cleo", "Dan", "Eve", "Finn"]
SETTINGS: dict[str, Any] = {
    "data.split.test": 0.3,
    "data.split.valid": 0.1,
    "train.learning_rate": 0.02,
    "train.max_steps": 40,
    "train.batch_size": 8,
    "train.max_length": "auto",
    "eval.max_new_tokens": 8,
    "eval.baselines": ["majority", "copy", "nearest"],
    "eval.gate": "warn",
    "export.parity_prompts": 6,
    "export.levels": ["q8_0", "q4_k_m"],
}


# ---------------------------------------------------------------------------------------------------------- the model


def write_checkpoint(
    folder: Path,
    template: str | None = CHATML,
    more_specials: tuple[str, ...] = (),
    bos: str = SPECIALS[1],
    eos: str = SPECIALS[2],
    seed: int = 1,
    words: tuple[str, ...] = (),
) -> Path:
    """A Llama of 0.1 M random weights (2 layers, 64 wide) in Hugging Face form; every byte is a token.

    Args:
        folder: where to write it.
        template: chat template, or ``None`` for a base model.
        more_specials: further special tokens, for templates other than ChatML.
        bos, eos: which special tokens begin and end.
        seed: of the weights.
        words: further tokens that are text, and always whole (audio tokens).
    """
    import numpy
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    specials = [*SPECIALS, *more_specials]
    tokens = [*specials, *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", *words]
    hidden, inner, layers = 64, 128, 2
    random = numpy.random.default_rng(seed)

    def weight(rows: int, columns: int) -> Any:
        return (random.standard_normal((rows, columns)) / columns**0.5).astype(numpy.float32)

    ones = numpy.ones(hidden, dtype=numpy.float32)
    tensors = {
        "model.embed_tokens.weight": weight(len(tokens), hidden),
        "lm_head.weight": weight(len(tokens), hidden),
        "model.norm.weight": ones,
    }
    for layer in range(layers):
        start = f"model.layers.{layer}"
        tensors |= {f"{start}.self_attn.{part}_proj.weight": weight(hidden, hidden) for part in "qkvo"}
        tensors |= {f"{start}.mlp.{part}_proj.weight": weight(inner, hidden) for part in ("gate", "up")}
        tensors |= {f"{start}.mlp.down_proj.weight": weight(hidden, inner)}
        tensors |= {f"{start}.{part}_layernorm.weight": ones for part in ("input", "post_attention")}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    ids = {"bos_token_id": tokens.index(bos), "eos_token_id": tokens.index(eos), "pad_token_id": 0}
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "tie_word_embeddings": False,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "vocab_size": len(tokens),
        **ids,
    }
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", ids)
    write_tokenizer(folder, tokens, specials, template, bos, eos, words)
    return folder


def write_tokenizer(
    folder: Path,
    tokens: list[str],
    specials: list[str],
    template: str | None,
    bos: str,
    eos: str,
    words: tuple[str, ...] = (),
) -> None:
    """tokenizer.json and its config: bytes of the text, with the special tokens whole; no BOS is added by itself."""
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": n, "content": token, "special": n < len(specials), **plain}
            for n, token in enumerate(tokens)
            if token in {*specials, *words}
        ],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE",
            "unk_token": specials[0],
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": {token: n for n, token in enumerate(tokens)},
            "merges": [],
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    settings: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": specials[0],
        "pad_token": specials[0],
        "bos_token": bos,
        "eos_token": eos,
        "additional_special_tokens": specials,
        "add_bos_token": False,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
    }
    if template is not None:
        settings["chat_template"] = template
    write_json(folder / "tokenizer_config.json", settings)


def write_rows(file: Path) -> Path:
    """60 rows, prompt and completion, as CSV: notes that are all confirmed with the same word,
    which a tiny model can learn.
    """
    lines = [
        f'"{1 + (i + j) % 9} {item} for {name}","ok"' for i, item in enumerate(ITEMS) for j, name in enumerate(NAMES)
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("prompt,completion\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return file


# -------------------------------------------------------------------------------------------------------- the commands


def get_environ(home: Path, **variables: str) -> dict[str, str]:
    """This machine's caches (the toolchain is built once), but a memory of its own and no network."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("GASLAMP_HOME", "COOKIECUTTER", "MAKE", "SNAKEMAKE", "PYTHONPATH"))
    }
    own = {
        "GASLAMP_HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "NO_COLOR": "1",
        "COLUMNS": "200",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return {**kept, **own, **variables}


def run(*command: str | Path, cwd: Path, timeout: float = 600, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in ``cwd``; stdout and stderr apart. A script of a project runs in the warm process."""
    words = [str(part) for part in command]
    if words[0] == sys.executable and "".join(words[1:2]).startswith("scripts/") and "PYTHONPATH" not in variables:
        words[0] = str(get_step_python())
    return subprocess.run(
        words,
        cwd=cwd,
        env=get_environ(cwd.parent / "gaslamp_home", **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )


def snakemake(
    project: Path, *arguments: str, profile: str = "cpu", timeout: float = 600, **variables: str
) -> subprocess.CompletedProcess[str]:
    """``snakemake --profile cpu`` in a project, from a process that has Snakemake loaded; so have its steps what they
    need (``warm.py``).
    """
    environ = get_environ(project.parent / "gaslamp_home", **variables)
    words = ["--profile", profile, *map(str, arguments)]
    python = get_step_python() if runs_jobs(words) else None
    return get_server().run(words, project, environ, timeout, python)


def open_snakemake(
    project: Path, *arguments: str, profile: str = "cpu", warm: bool = False, **streams: Any
) -> subprocess.Popen[str]:
    """The program itself in a session of its own, as a terminal would start it, while the test goes on.

    Args:
        project: its folder.
        arguments: of Snakemake.
        profile: the backend.
        warm: its steps come from a process that has loaded what they need: for what is only killed.
        streams: stdout and stderr, as ``subprocess.Popen`` takes them.
    """
    program = [sys.executable, "-c", WARM_STEPS, str(get_step_python())] if warm else [str(SNAKEMAKE)]
    return subprocess.Popen(
        [*program, "--profile", profile, *arguments],
        cwd=project,
        env=get_environ(project.parent / "gaslamp_home"),
        text=True,
        start_new_session=True,
        **streams,
    )


def start_snakemake(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The same from the program itself: for what concerns its own start."""
    return run(SNAKEMAKE, "--profile", "cpu", *arguments, cwd=project, **variables)


def get_jobs(project: Path, *arguments: str) -> dict[str, int]:
    """What a dry run would do: rule -> number of jobs, ``all`` left out; empty when there is nothing to do."""
    done = snakemake(project, "--dry-run", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE)
    jobs = {name: int(count) for name, count in found if name not in ("all", "total")}
    assert jobs or "Nothing to be done" in done.stdout + done.stderr, done.stdout + done.stderr
    return jobs


def bake(folder: Path, data: Path | str, model: Path | str | None, settings: dict[str, Any]) -> Path:
    """A project generated by the real cookiecutter command, with ``settings`` put into its config."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "cookiecutter",
        str(ROOT),
        "--directory",
        "cookiecutter-template",
        "--no-input",
        "--output-dir",
        ".",
    ]
    done = run(*command, f"data={data}", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    project = next(path for path in folder.iterdir() if (path / ".gaslamp.json").is_file())
    set_config(project, **({"model.source": str(model)} if model else {}), **settings)
    return project


def set_config(project: Path, **settings: Any) -> None:
    """Set keys such as ``train.max_steps`` in config.yaml (its comments go)."""
    file = project / "config.yaml"
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    for key, value in settings.items():
        *parents, last = key.split(".")
        section = values
        for parent in parents:
            section = section[parent]
        section[last] = value
    file.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")


def copy_project(project: Path, folder: Path) -> Path:
    """A copy that Snakemake takes for the same: its records and file times come along."""
    copy = folder / project.name
    shutil.copytree(project, copy, symlinks=True)
    return copy


def forget_seals(project: Path) -> None:
    """So that a test may write a file in the place of its step: a seal would put it back (core/seals.py)."""
    shutil.rmtree(project / ".gaslamp" / "seals", ignore_errors=True)


def get_rules_error(done: subprocess.CompletedProcess[str]) -> str:
    """All that a failed command said."""
    return f"{done.stdout}\n{done.stderr}"


# -------------------- a vision model

VISION_CHATML = CHATML.replace(
    "message['content'] +",
    "(message['content'] if message['content'] is string else (message['content'] | map(attribute='text', "
    "default='<image>') | join)) +",
)


def write_vision_checkpoint(folder: Path, seed: int = 1) -> Path:
    """A LLaVA of 0.1 M random weights that sees 32 x 32 points, in Hugging Face form with its processor (PIL:
    no torchvision).
    """
    import torch
    from transformers import (
        AutoTokenizer,
        CLIPImageProcessorPil,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    text = write_checkpoint(folder / "text", VISION_CHATML, ("<image>",), seed=seed)
    config = json.loads((text / "config.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(text)
    image = tokenizer.convert_tokens_to_ids("<image>")
    torch.manual_seed(seed)
    config["initializer_range"] = 0.15
    sees = {
        "initializer_range": 0.15,
        "model_type": "clip_vision_model",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 8,
    }
    model = LlavaForConditionalGeneration(
        LlavaConfig(text_config=config, vision_config=sees, image_token_index=image, tie_word_embeddings=False)
    )
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = config["eos_token_id"], 0
    model.save_pretrained(folder)
    images = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    LlavaProcessor(
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=VISION_CHATML,
    ).save_pretrained(folder)
    shutil.rmtree(text)
    return folder


def write_idefics_checkpoint(folder: Path, seed: int = 1) -> Path:
    """An Idefics3 (as SmolVLM) of 0.1 M random weights, with its processor: a kind of model that llama.cpp serves.

    A picture is brought to 64 points, cut into 2 x 2 tiles of 32 and shown whole once more: 5 times 4 tokens.
    """
    import torch
    from transformers import AutoTokenizer, Idefics3Config, Idefics3ForConditionalGeneration

    tile, patch, merged = 32, 8, 2
    tiles = tuple(f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2))
    # these stand around the tiles; llama-server writes them too
    specials = ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>", *tiles)
    text = write_checkpoint(folder / "text", VISION_CHATML, specials, seed=seed, words=("\n\n",))
    config = json.loads((text / "config.json").read_text(encoding="utf-8")) | {"initializer_range": 0.15}
    tokenizer = AutoTokenizer.from_pretrained(text)
    torch.manual_seed(seed)
    # not less than 3 layers: llama.cpp looks for one of the last ones
    sees = {
        "initializer_range": 0.15,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "image_size": tile,
        "patch_size": patch,
    }
    image = tokenizer.convert_tokens_to_ids("<image>")
    model = Idefics3ForConditionalGeneration(
        Idefics3Config(
            text_config=config,
            vision_config=sees,
            image_token_id=image,
            tie_word_embeddings=False,
            scale_factor=merged,
            pad_token_id=0,
        )
    )
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = config["eos_token_id"], 0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    processor = {
        "image_processor_type": "Idefics3ImageProcessor",
        "processor_class": "Idefics3Processor",
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "size": {"longest_edge": 2 * tile},
        "max_image_size": {"longest_edge": tile},
        "do_image_splitting": True,
    }
    write_json(folder / "preprocessor_config.json", processor)
    write_json(
        folder / "processor_config.json",
        {"processor_class": "Idefics3Processor", "image_seq_len": (tile // patch // merged) ** 2},
    )
    shutil.rmtree(text)
    return folder


# -------------------- a text-to-speech model

SOUND_RATE, SOUND_CODES, SOUND_BOOKS = 8000, 16, 2


def write_codec(folder: Path, seed: int = 1) -> Path:
    """A DAC of random weights in Hugging Face form: 8 kHz, frames of 0.04 s, 2 code books of 16."""
    import torch
    from transformers import DacConfig, DacModel

    torch.manual_seed(seed)
    sizes = {"encoder_hidden_size": 4, "decoder_hidden_size": 32, "downsampling_ratios": [4, 8, 10], "codebook_dim": 4}
    DacModel(
        DacConfig(**sizes, n_codebooks=SOUND_BOOKS, codebook_size=SOUND_CODES, sampling_rate=SOUND_RATE)
    ).save_pretrained(folder)
    return folder


def write_encoder_checkpoint(folder: Path) -> Path:
    """A BERT of random weights (2 layers, 32 wide) with a WordPiece tokenizer of letters, in Hugging Face form."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    BertModel(config).save_pretrained(folder)
    return folder


def write_speech_checkpoint(folder: Path, seed: int = 1) -> Path:
    """The tiny chat model with a token for each code of the tiny codec."""
    return write_checkpoint(
        folder,
        seed=seed,
        words=tuple(f"<|c{book + 1}_{code}|>" for book in range(SOUND_BOOKS) for code in range(SOUND_CODES)),
    )


def write_sounds(folder: Path) -> Path:
    """60 recordings of a third of a second and speech.csv: each item is a tone of its own, each name a loudness."""
    import numpy
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    lines = ["audio,text,speaker"]
    for i, item in enumerate(ITEMS):
        for j, name in enumerate(NAMES):
            time = numpy.arange(int(SOUND_RATE * 0.3)) / SOUND_RATE
            sound = (0.2 + 0.1 * j) * numpy.sin(2 * numpy.pi * (150 + 120 * i) * time)
            soundfile.write(folder / f"{item}_{name}.wav", sound, SOUND_RATE)
            lines.append(f"{item}_{name}.wav,{item} please,{name}")
    (folder / "speech.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "speech.csv"
