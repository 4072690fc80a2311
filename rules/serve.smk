# Phase 7, serve: the base model's own file at the served level, in the user's cache, and the adapter as a file, which is
# subtracted where memory is too small for two models. Serving makes no file, so `make deploy` does it after this
# (scripts/serve_model.py).


rule convert_base:
    input:
        model=get_model_facts,
        template=of_data("template.json"),
        toolchain=TOOLCHAIN,
        train=of_data("train.jsonl"),
        calibration=CONFIG.export.calibration or [],
        test=of_data("test.jsonl"),
        predictions="outputs/{run}/eval/base.predictions.jsonl",
        ladder="outputs/{run}/gguf/ladder.json",
        code=get_code("convert_base.py", "exporters/gguf", "exporters/merged"),
    output:
        "outputs/{run}/base.json",
    log:
        "logs/{run}/convert_base.log",
    resources:
        model=1,
        mem_mb=get_memory,
        cpus_per_task=get_cpus,
        gpu=get_gpus,
    params:
        part=get_part,
        settings=get_settings("deploy.level", "export.calibration", "export.imatrix"),
    shell:
        "{PYTHON} scripts/convert_base.py --model {input.model} --template {input.template}"
        " --toolchain {input.toolchain} --train {input.train} --test {input.test} --predictions {input.predictions}"
        " --ladder {input.ladder} --config {CONFIG_FILE} {params.part} --out {output} --log {log}"


rule convert_lora:
    input:
        model=get_model_facts,
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
