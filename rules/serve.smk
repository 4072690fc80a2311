# Phase 7, serve: the adapter as a file of its own, with which one server answers as tuned and as base. Serving makes
# no file, so `make deploy` does it after this (scripts/serve_model.py).


rule convert_lora:
    input:
        model=MODEL_FACTS,
        adapters="outputs/{run}/adapters",
        toolchain=TOOLCHAIN,
        code=get_code("convert_lora.py", "exporters/lora_gguf"),
    output:
        directory("outputs/{run}/lora"),
    log:
        "logs/{run}/convert_lora.log",
    shell:
        "{PYTHON} scripts/convert_lora.py --model {input.model} --adapters {input.adapters}"
        " --toolchain {input.toolchain} --out {output} --log {log}"
