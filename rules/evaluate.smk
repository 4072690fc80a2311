# Phase 4, evaluate: the same prompts through base and tuned, then the comparison that the gate and every page use.


rule evaluate_model:
    input:
        model=get_model_facts,
        adapters=get_adapters,
        test=of_data("test.jsonl"),
        card=get_length_input,
        template=of_data("template.json"),
        retention=get_retention_input(),
        code=get_code("evaluate_model.py", "embedded/retention.jsonl"),
    output:
        predictions="outputs/{run}/eval/{who}.predictions.jsonl",
    log:
        "logs/{run}/evaluate_model_{who}.log",
    wildcard_constraints:
        who="base|tuned",
    resources:
        model=1,
        mem_mb=get_memory,
        cpus_per_task=get_cpus,
        gpu=get_gpus,
    params:
        card=get_length_flag,
        settings=get_settings(*PROMPT_KEYS),
        part=get_part,
        adapters=lambda wildcards, input: f"--adapters {input.adapters}" if input.adapters else "",
        options=get_prompt_options,
    shell:
        "{EVALUATE_RUNNER} scripts/evaluate_model.py --model {input.model} {params.adapters} --test {input.test}"
        " --template {input.template} {params.card} --config {CONFIG_FILE} {params.part} --out {output.predictions}"
        " --log {log}"


# Rivals of the tuned model that ask the base model in a better way: with training rows in the prompt, or with the format.


rule evaluate_rival:
    input:
        model=get_model_facts,
        base="outputs/{run}/eval/base.predictions.jsonl",
        test=of_data("test.jsonl"),
        train=of_data("train.jsonl"),
        template=of_data("template.json"),
        code=get_code("evaluate_rival.py"),
    output:
        predictions="outputs/{run}/eval/{rival}.predictions.jsonl",
    log:
        "logs/{run}/evaluate_rival_{rival}.log",
    wildcard_constraints:
        rival="few_shot|format",
    resources:
        model=1,
        mem_mb=get_memory,
        cpus_per_task=get_cpus,
        gpu=get_gpus,
    params:
        part=get_part,
        settings=get_settings(*RIVAL_KEYS),
    shell:
        "{PYTHON} scripts/evaluate_rival.py --rival {wildcards.rival} --model {input.model} --base {input.base}"
        " --test {input.test} --train {input.train} --template {input.template} --config {CONFIG_FILE} {params.part}"
        " --out {output.predictions} --log {log}"


rule compare_models:
    input:
        base="outputs/{run}/eval/base.predictions.jsonl",
        tuned="outputs/{run}/eval/tuned.predictions.jsonl",
        rivals=get_rivals,
        seeds=get_seed_answers,
        test=of_data("test.jsonl"),
        train=of_data("train.jsonl"),
        facts="outputs/{run}/train.json",
        retention=get_retention_input(),
        labels=get_judge_labels(),
        lm_eval=get_lm_eval,
        code=get_code("compare_models.py", "embedded/retention.jsonl", *EVALUATION_PAGE, *get_metric_plugins()),
    output:
        compare="outputs/{run}/eval/compare.json",
        verdict="outputs/{run}/eval/verdict.json",
        page="outputs/{run}/eval/report.html",
        report="logs/{run}/eval.log",
        side_by_side="logs/{run}/eval_compare.log",
    log:
        "logs/{run}/compare_models.log",
    params:
        settings=get_settings(*COMPARE_KEYS),
        part=get_part,
        lm_eval=lambda wildcards, input: f"--lm-eval {input.lm_eval}" if input.lm_eval else "",
        rivals=lambda wildcards, input: f"--rivals {input.rivals}" if input.rivals else "",
        seeds=lambda wildcards, input: f"--seeds {input.seeds}" if input.seeds else "",
    shell:
        "{PYTHON} scripts/compare_models.py --base {input.base} --tuned {input.tuned} --test {input.test}"
        " --train {input.train} --facts {input.facts} {params.lm_eval} {params.rivals} {params.seeds}"
        " --config {CONFIG_FILE} {params.part}"
        " --compare {output.compare}"
        " --verdict {output.verdict} --page {output.page} --report {output.report} --side-by-side {output.side_by_side}"
        " --log {log}"


# Optional: public tasks through lm-evaluation-harness, and the model that `eval.target` names in place of the adapter.


rule run_lm_eval:
    input:
        model=get_model_facts,
        adapters=get_adapters,
        template=of_data("template.json"),
        tasks=get_task_files(),
        code=get_code("run_lm_eval.py"),
    output:
        "outputs/{run}/eval/{who}.lm_eval.json",
    log:
        "logs/{run}/run_lm_eval_{who}.log",
    wildcard_constraints:
        who="base|tuned",
    resources:
        model=1,
        mem_mb=get_memory,
        cpus_per_task=get_cpus,
        gpu=get_gpus,
    params:
        part=get_part,
        settings=get_settings("method", "eval.lm_eval", "eval.lm_eval_limit", "eval.confidence"),
        adapters=lambda wildcards, input: f"--adapters {input.adapters}" if input.adapters else "",
    shell:
        "{PYTHON} scripts/run_lm_eval.py --model {input.model} {params.adapters} --template {input.template}"
        " --config {CONFIG_FILE} {params.part} --out {output} --log {log}"


rule evaluate_target:
    input:
        model=get_model_facts,
        merged=get_target_model,
        test=of_data("test.jsonl"),
        card=get_length_input,
        template=of_data("template.json"),
        retention=get_retention_input(),
        code=get_code("evaluate_target.py", "embedded/retention.jsonl"),
    output:
        "outputs/{run}/eval/target-{target}.predictions.jsonl",
    log:
        "logs/{run}/evaluate_target_{target}.log",
    wildcard_constraints:
        target="merged|endpoint",
    resources:
        model=1,
        mem_mb=get_memory,
        cpus_per_task=get_cpus,
        gpu=get_gpus,
    params:
        part=get_part,
        card=get_length_flag,
        settings=get_settings(*PROMPT_KEYS, "eval.endpoint"),
        options=get_prompt_options,
        merged=lambda wildcards, input: f"--merged {input.merged}" if input.merged else "",
    shell:
        "{PYTHON} scripts/evaluate_target.py --model {input.model} {params.merged} --test {input.test}"
        " --template {input.template} {params.card} --config {CONFIG_FILE} {params.part} --out {output} --log {log}"


rule evaluate_gguf_target:
    input:
        gguf="outputs/{run}/gguf/model-{level}.gguf",
        companion=get_companions,
        known="outputs/{run}/eval/gguf-{level}.predictions.jsonl",
        toolchain=TOOLCHAIN,
        test=of_data("test.jsonl"),
        card=get_length_input,
        retention=get_retention_input(),
        code=get_code("evaluate_gguf.py", "embedded/retention.jsonl"),
    output:
        "outputs/{run}/eval/target-{level}.predictions.jsonl",
    log:
        "logs/{run}/evaluate_gguf_target_{level}.log",
    wildcard_constraints:
        level="(?!merged|endpoint)[a-z0-9_]+",
    resources:
        model=1,
        mem_mb=get_memory,
        cpus_per_task=get_cpus,
        gpu=get_gpus,
    params:
        part=get_part,
        card=get_length_flag,
        settings=get_settings(*FILE_KEYS, "eval.retention", "eval.retention_file", "export.ladder_rows"),
        companion=lambda wildcards, input: f"--companion {input.companion}" if input.companion else "",
    shell:
        "{PYTHON} scripts/evaluate_gguf.py --gguf {input.gguf} {params.companion} --known {input.known}"
        " --toolchain {input.toolchain}"
        " --test {input.test} {params.card} --config {CONFIG_FILE} {params.part} --out {output} --log {log}"


rule compare_models_target:
    input:
        base="outputs/{run}/eval/base.predictions.jsonl",
        target="outputs/{run}/eval/target-{target}.predictions.jsonl",
        test=of_data("test.jsonl"),
        train=of_data("train.jsonl"),
        retention=get_retention_input(),
        code=get_code("compare_models.py", "embedded/retention.jsonl", *EVALUATION_PAGE, *get_metric_plugins()),
    output:
        compare="outputs/{run}/eval/target/{target}.compare.json",
        verdict="outputs/{run}/eval/target/{target}.verdict.json",
        page="outputs/{run}/eval/target/{target}.html",
        report="logs/{run}/eval_target_{target}.log",
        side_by_side="logs/{run}/eval_target_{target}_compare.log",
    log:
        "logs/{run}/compare_models_target_{target}.log",
    wildcard_constraints:
        target="[a-z0-9_]+",
    params:
        part=get_part,
        settings=get_settings(*COMPARE_KEYS),
    shell:
        "{PYTHON} scripts/compare_models.py --base {input.base} --tuned {input.target} --test {input.test}"
        " --train {input.train} --target {wildcards.target} --config {CONFIG_FILE} {params.part} --compare {output.compare}"
        " --verdict {output.verdict} --page {output.page} --report {output.report} --side-by-side {output.side_by_side}"
        " --log {log}"


# Only on request (make learning-curve): the same training on shares of the rows.


rule build_learning_curve:
    input:
        answers=lambda wildcards: get_share_files(wildcards.run, "eval/tuned.predictions.jsonl"),
        facts=lambda wildcards: get_share_files(wildcards.run, "train.json"),
        base="outputs/{run}/eval/base.predictions.jsonl",
        compare="outputs/{run}/eval/compare.json",
        test=of_data("test.jsonl"),
        code=get_code("build_learning_curve.py", "pages/base.css", *get_metric_plugins()),
        page=expand("scripts/gaslamp/report/sweep/{file}", file=["curve.html.j2", "style.css"]),
    output:
        facts="outputs/{run}/learning_curve.json",
        page="outputs/{run}/learning_curve.html",
    log:
        "logs/{run}/build_learning_curve.log",
    params:
        part=get_part,
        settings=get_settings(*SCORE_KEYS, "project.name"),
        runs=lambda wildcards: " ".join([*get_share_runs(wildcards.run), wildcards.run]),
    shell:
        "{PYTHON} scripts/build_learning_curve.py --runs {params.runs} --answers {input.answers} --facts {input.facts}"
        " --base {input.base} --compare {input.compare} --test {input.test} --config {CONFIG_FILE} {params.part}"
        " --out {output.facts} --page {output.page} --log {log}"
