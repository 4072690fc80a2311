# Phase 6, export: merged -> GGUF -> levels, each scored on the test rows; the ladder recommends, the parity gate
# decides.


rule merge_adapters:
    input:
        verdict="outputs/{run}/eval/verdict.json",
        model=get_model_facts,
        adapters="outputs/{run}/adapters",
        facts="outputs/{run}/train.json",
        template=of_data("template.json"),
        code=get_code("merge_adapters.py", "exporters/merged"),
    output:
        keep(directory("outputs/{run}/merged")),
    log:
        "logs/{run}/merge_adapters.log",
    resources:
        model=1,
        mem_mb=get_memory,
        cpus_per_task=get_cpus,
        gpu=get_gpus,
    shell:
        "{EXPORT_RUNNER} scripts/merge_adapters.py --verdict {input.verdict} --model {input.model} --adapters {input.adapters}"
        " --facts {input.facts} --template {input.template} --out {output} --log {log}"


rule convert_gguf:
    input:
        merged="outputs/{run}/merged",
        toolchain=TOOLCHAIN,
        code=get_code("convert_gguf.py", "exporters/gguf"),
    output:
        keep("outputs/{run}/gguf/model-{level}.gguf"),
    log:
        "logs/{run}/convert_gguf_{level}.log",
    wildcard_constraints:
        level="f16|bf16|f32",
    shell:
        "{EXPORT_RUNNER} scripts/convert_gguf.py --merged {input.merged} --toolchain {input.toolchain}"
        " --level {wildcards.level} --out {output} --log {log}"


# The companion file of some models: the vision tower of a multimodal model, the head of a reward model.
rule convert_companion:
    input:
        merged="outputs/{run}/merged",
        toolchain=TOOLCHAIN,
        code=get_code("convert_companion.py", "exporters/gguf"),
    output:
        "outputs/{run}/gguf/{companion}",
    log:
        "logs/{run}/convert_companion_{companion}.log",
    wildcard_constraints:
        companion=r"mmproj-f16\.gguf|head\.json",
    shell:
        "{EXPORT_RUNNER} scripts/convert_companion.py --merged {input.merged} --toolchain {input.toolchain}"
        " --out {output} --log {log}"


rule build_imatrix:
    input:
        f16="outputs/{run}/gguf/model-f16.gguf",
        toolchain=TOOLCHAIN,
        train=of_data("train.jsonl"),
        template=of_data("template.json"),
        model=get_model_facts,
        calibration=CONFIG.export.calibration or [],
        code=get_code("build_imatrix.py", "exporters/gguf"),
    output:
        "outputs/{run}/gguf/imatrix.gguf",
    log:
        "logs/{run}/build_imatrix.log",
    resources:
        model=1,
        mem_mb=get_memory,
        cpus_per_task=get_cpus,
        gpu=get_gpus,
    params:
        part=get_part,
        settings=get_settings("export.calibration"),
    shell:
        "{EXPORT_RUNNER} scripts/build_imatrix.py --source {input.f16} --toolchain {input.toolchain} --train {input.train}"
        " --template {input.template} --model {input.model} --config {CONFIG_FILE} {params.part} --out {output} --log {log}"


rule quantize_gguf:
    input:
        f16="outputs/{run}/gguf/model-f16.gguf",
        imatrix=get_imatrix,
        toolchain=TOOLCHAIN,
        code=get_code("quantize_gguf.py", "exporters/gguf"),
    output:
        "outputs/{run}/gguf/model-{level}.gguf",
    log:
        "logs/{run}/quantize_gguf_{level}.log",
    wildcard_constraints:
        level="(?!f16$|bf16$|f32$)[a-z0-9_]+",
    params:
        imatrix=lambda wildcards, input: f"--imatrix {input.imatrix}" if input.imatrix else "",
    shell:
        "{EXPORT_RUNNER} scripts/quantize_gguf.py --source {input.f16} --toolchain {input.toolchain}"
        " --level {wildcards.level} {params.imatrix} --out {output} --log {log}"


rule measure_gguf:
    input:
        gguf=expand("outputs/{{run}}/gguf/model-{level}.gguf", level=LEVELS),
        toolchain=TOOLCHAIN,
        rows=of_data("test.jsonl", "train.jsonl"),
        code=get_code("measure_gguf.py"),
    output:
        "outputs/{run}/gguf/bench.json",
    log:
        "logs/{run}/measure_gguf.log",
    resources:
        model=1,
        mem_mb=get_memory,
        cpus_per_task=get_cpus,
        gpu=get_gpus,
    params:
        pooling=get_pooling_flag(),
    shell:
        "{PYTHON} scripts/measure_gguf.py --gguf {input.gguf} --toolchain {input.toolchain} --rows {input.rows}"
        " {params.pooling} --out {output} --log {log}"


rule evaluate_gguf:
    input:
        gguf="outputs/{run}/gguf/model-{level}.gguf",
        companion=get_companions,
        toolchain=TOOLCHAIN,
        test=of_data("test.jsonl"),
        card=get_length_input,
        code=get_code("evaluate_gguf.py"),
    output:
        "outputs/{run}/eval/gguf-{level}.predictions.jsonl",
    log:
        "logs/{run}/evaluate_gguf_{level}.log",
    resources:
        model=1,
        mem_mb=get_memory,
        cpus_per_task=get_cpus,
        gpu=get_gpus,
    params:
        part=get_part,
        card=get_length_flag,
        settings=get_settings(*FILE_KEYS, "export.ladder_rows"),
        companion=lambda wildcards, input: f"--companion {input.companion}" if input.companion else "",
    shell:
        "{EXPORT_RUNNER} scripts/evaluate_gguf.py --gguf {input.gguf} {params.companion} --toolchain {input.toolchain}"
        " --test {input.test}"
        " {params.card} --config {CONFIG_FILE} {params.part} --out {output} --log {log}"


rule build_ladder:
    input:
        gguf=expand("outputs/{{run}}/gguf/model-{level}.gguf", level=LEVELS),
        predictions=expand("outputs/{{run}}/eval/gguf-{level}.predictions.jsonl", level=LEVELS),
        bench="outputs/{run}/gguf/bench.json",
        compare="outputs/{run}/eval/compare.json",
        test=of_data("test.jsonl"),
        code=get_code("build_ladder.py", *get_metric_plugins()),
    output:
        facts="outputs/{run}/gguf/ladder.json",
        plot="outputs/{run}/gguf/ladder.svg",
        page="outputs/{run}/gguf/ladder.html",
    log:
        "logs/{run}/build_ladder.log",
    params:
        part=get_part,
        settings=get_settings("export.tolerance", "export.imatrix", "export.ladder_rows", *SCORE_KEYS),
    shell:
        "{PYTHON} scripts/build_ladder.py --gguf {input.gguf} --predictions {input.predictions} --bench {input.bench}"
        " --compare {input.compare} --test {input.test} --config {CONFIG_FILE} {params.part}"
        " --out {output.facts} --plot {output.plot} --page {output.page} --log {log}"


# Without GGUF files the merged model alone is compared with the adapter.
rule check_parity:
    input:
        model=get_model_facts,
        adapters="outputs/{run}/adapters",
        merged="outputs/{run}/merged",
        gguf=get_levels("{run}"),
        companion=get_companions,
        toolchain=TOOLCHAIN if is_converted() else [],
        test=of_data("test.jsonl"),
        card=get_length_input,
        template=of_data("template.json"),
        ladder=get_ladder("{run}"),
        predictions=expand(
            "outputs/{{run}}/eval/{who}.predictions.jsonl",
            who=["tuned", *(f"gguf-{level}" for level in LEVELS if is_converted())],
        ),
        code=get_code("check_parity.py"),
    output:
        "outputs/{run}/gguf/parity.json",
    log:
        "logs/{run}/check_parity.log",
    resources:
        model=1,
        mem_mb=get_memory,
        cpus_per_task=get_cpus,
        gpu=get_gpus,
    params:
        part=get_part,
        card=get_length_flag,
        settings=get_settings(*SIZE_KEYS, "export.tolerance", "export.parity", "export.parity_prompts"),
        files=lambda wildcards, input: " ".join(
            f"--{name} {input[name]}" for name in ("gguf", "companion", "toolchain", "ladder") if input[name]
        ),
    shell:
        "{EXPORT_RUNNER} scripts/check_parity.py --model {input.model} --adapters {input.adapters} --merged {input.merged}"
        " {params.files} --test {input.test} --template {input.template} --predictions {input.predictions} {params.card}"
        " --config {CONFIG_FILE} {params.part} --out {output} --log {log}"


# A failed gate is the run's exit code, whatever the kind of model. Snakemake deletes the outputs of a failed job, so another
# rule than check_parity fails; a low priority lets pages that show the failure be built first.
rule require_parity:
    input:
        parity="outputs/{run}/gguf/parity.json",
        code=get_code("require_parity.py"),
    output:
        "outputs/{run}/gguf/parity_passed.txt",
    log:
        "logs/{run}/require_parity.log",
    priority: -10
    shell:
        "{PYTHON} scripts/require_parity.py --parity {input.parity} --out {output} --log {log}"


rule write_modelfile:
    input:
        parity="outputs/{run}/gguf/parity.json",
        ladder="outputs/{run}/gguf/ladder.json",
        gguf=expand("outputs/{{run}}/gguf/model-{level}.gguf", level=LEVELS),
        companion=get_companions,
        template=of_data("template.json"),
        card=of_data("card.json"),
        code=get_code("write_modelfile.py", "exporters/ollama"),
    output:
        "outputs/{run}/gguf/Modelfile",
    log:
        "logs/{run}/write_modelfile.log",
    params:
        part=get_part,
        settings=get_settings("deploy.context", "deploy.level"),
        companion=lambda wildcards, input: f"--companion {input.companion}" if input.companion else "",
    shell:
        "{PYTHON} scripts/write_modelfile.py --parity {input.parity} --ladder {input.ladder} {params.companion}"
        " --template {input.template} --card {input.card} --config {CONFIG_FILE} {params.part} --out {output} --log {log}"


# The formats that are folders of their own: adapter, vllm, sglang, hub, and yours. An exporter may read every fact.
rule export_model:
    input:
        model=get_model_facts,
        adapters="outputs/{run}/adapters",
        merged="outputs/{run}/merged",
        template=of_data("template.json"),
        card=of_data("card.json"),
        train="outputs/{run}/train.json",
        compare="outputs/{run}/eval/compare.json",
        parity="outputs/{run}/gguf/parity.json",
        ladder=get_ladder("{run}"),
        gguf=get_levels("{run}"),
        companion=get_companions,
        more=get_hub_input,
        code=lambda wildcards: get_code("export_model.py", f"exporters/{wildcards.format}"),
    output:
        directory("outputs/{run}/export/{format}"),
    log:
        "logs/{run}/export_model_{format}.log",
    wildcard_constraints:
        format="[a-z][a-z0-9_]*",
    params:
        part=get_part,
        settings=get_settings("project", "method", "train", "export", "deploy.context"),
        gguf=lambda wildcards, input: Path(input.parity).parent,
    shell:
        "{PYTHON} scripts/export_model.py --format {wildcards.format} --model {input.model} --adapters {input.adapters}"
        " --merged {input.merged} --template {input.template} --card {input.card} --train {input.train}"
        " --compare {input.compare} --gguf {params.gguf} --config {CONFIG_FILE} {params.part} --out {output} --log {log}"
