# Phase 1, environment: the machine, its packages, the gate before anything is downloaded, base model and llama.cpp.


# The three checks below run once in a project. Their scripts are no input and the settings of the gate are no param:
# a check that runs again would rerun everything downstream. The gate is checked again at every start (start_run in
# common.smk), with the config of that moment. Not `ancient`: Snakemake 9.27 then overlooks missing files behind a
# job that must rerun.
rule detect_system:
    output:
        "outputs/env/system.json",
    log:
        "logs/detect_system.log",
    shell:
        "{PYTHON} scripts/detect_system.py --out {output} --log {log}"


rule detect_env:
    output:
        "outputs/env/env.json",
    log:
        "logs/detect_env.log",
    params:
        settings=get_settings("backend"),
        backend=CONFIG.backend,
    shell:
        "{TRAIN_PYTHON} scripts/detect_env.py --backend {params.backend} --out {output} --log {log}"


rule check_preflight:
    input:
        system="outputs/env/system.json",
        env="outputs/env/env.json",
    output:
        "outputs/env/preflight.json",
    log:
        "logs/check_preflight.log",
    shell:
        "{PYTHON} scripts/check_preflight.py --system {input.system} --env {input.env}"
        " --config {CONFIG_FILE} --out {output} --log {log}"


rule fetch_model:
    input:
        preflight="outputs/env/preflight.json",
        source=get_model_input(),
        code=get_code("fetch_model.py"),
    output:
        BASE_FACTS,
    log:
        "logs/fetch_model.log",
    params:
        settings=get_settings("model.source", "model.revision"),
        part="",
    shell:
        "{PYTHON} scripts/fetch_model.py --config {CONFIG_FILE} {params.part} {VISION_TOWER} --out {output} --log {log}"


# With model.adapter or stages: what was trained before becomes a part of the model that a run or stage starts from.
rule merge_start:
    input:
        model=BASE_FACTS,
        start=get_start_input,
        code=get_code("merge_start.py"),
    output:
        "resources/models/{start}/model.json",
    log:
        "logs/merge_start_{start}.log",
    wildcard_constraints:
        start=r"[A-Za-z0-9_.@-]+[+][A-Za-z0-9_.@+-]+",
    resources:
        model=1,
        mem_mb=get_memory,
        cpus_per_task=get_cpus,
        gpu=get_gpus,
    params:
        adapter=lambda wildcards: shlex.quote(get_start(wildcards)),
    shell:
        "{PYTHON} scripts/merge_start.py --model {input.model} --adapter {params.adapter} --out {output} --log {log}"


# High priority and one counted thread: it starts first and builds while the data and training phases run.
rule build_llamacpp:
    input:
        preflight="outputs/env/preflight.json",
        code=get_code("build_llamacpp.py"),
    output:
        TOOLCHAIN,
    log:
        "logs/build_llamacpp.log",
    priority: 100
    threads: 1
    shell:
        "{PYTHON} scripts/build_llamacpp.py --out {output} --log {log}"


# Before the training: a small copy of the base model goes through llama.cpp. Like the three checks above it runs once for
# a base model: with its script, a setting or toolchain.json as input, a change in export/ would train again. It waits
# for the build of llama.cpp by a lock; the low priority lets the data phase go first. What runs with another
# export.formats is tried by start_run.
rule check_export:
    input:
        model=BASE_FACTS,
    output:
        EXPORT_TRIAL,
    log:
        "logs/check_export.log",
    priority: -5
    params:
        part="",
    shell:
        "{PYTHON} scripts/check_export.py --model {input.model} --config {CONFIG_FILE} {params.part} --out {output} --log {log}"


# The tools that no step of a run needs, so that the first run does not wait for them: make llamacpp.
rule build_llamacpp_rest:
    input:
        toolchain=TOOLCHAIN,
        code=get_code("build_llamacpp.py"),
    output:
        directory("resources/llama.cpp/bin"),
    log:
        "logs/build_llamacpp_rest.log",
    shell:
        "{PYTHON} scripts/build_llamacpp.py --toolchain {input.toolchain} --links {output} --log {log}"
