# Phase 3, train, of the earlier stages, with their data and evaluation: the rules of the last stage, in folders of the
# stage's name, with its config. Its model is the merged result of the stage before it (merge_start).


wildcard_constraints:
    stage="|".join(STAGES),


def get_stage_settings(*keys):
    """What ``get_settings`` is for the config of the stage in the wildcards."""
    return lambda wildcards: cut_settings(STAGES[wildcards.stage], *keys)


def get_stage_model(wildcards):
    """model.json of what a stage starts from."""
    return f"resources/models/{get_model_name(STAGES[wildcards.stage].model)}/model.json"


use rule prepare_data as prepare_data_stage with:
    input:
        source=lambda wildcards: get_data_input(STAGES[wildcards.stage]),
        kept=[],
        model=FIRST_FACTS,
        system="outputs/env/system.json",
        env="outputs/env/env.json",
        code=lambda wildcards: get_code(
            "prepare_data.py",
            f"methods/{STAGES[wildcards.stage].method}",
            *get_data_plugins(STAGES[wildcards.stage]),
        ),
    output:
        train="data/{stage}/train.jsonl",
        valid="data/{stage}/valid.jsonl",
        test="data/{stage}/test.jsonl",
        template="data/{stage}/template.json",
        card="data/{stage}/card.json",
        strategy="data/{stage}/strategy.md",
    log:
        "logs/{stage}/prepare_data_{stage}.log",
    params:
        settings=get_stage_settings(*DATA_KEYS),
        length=lambda wildcards: get_length_reasons(STAGES[wildcards.stage]),
        part="--stage {stage}",
        kept="",
        added="",


use rule build_data_page as build_data_page_stage with:
    input:
        card="data/{stage}/card.json",
        rows=expand("data/{{stage}}/{split}.jsonl", split=["train", "valid", "test"]),
        template="data/{stage}/template.json",
        model=FIRST_FACTS,
        code=get_code("build_data_page.py", "pages/base.css"),
        page=expand("scripts/gaslamp/data/{file}", file=["page.html.j2", "page.css"]),
    output:
        "data/{stage}/report.html",
    log:
        "logs/{stage}/build_data_page_{stage}.log",
    params:
        settings=get_stage_settings("project", "method"),
        part="--stage {stage}",


rule train_model_stage:
    name:
        f"train_model_{CONFIG.backend}_stage"
    input:
        preflight="outputs/env/preflight.json",
        model=get_stage_model,
        export=EXPORT_TRIAL,
        train="data/{stage}/train.jsonl",
        valid="data/{stage}/valid.jsonl",
        template="data/{stage}/template.json",
        card="data/{stage}/card.json",
        code=lambda wildcards: get_code("train_model.py", *get_training_plugins(STAGES[wildcards.stage])),
    output:
        adapters=directory("outputs/{stage}/adapters"),
        facts="outputs/{stage}/train.json",
    log:
        "logs/{stage}/train_model_{stage}.log",
    resources:
        model=1,
        mem_mb=get_memory,
        cpus_per_task=get_cpus,
        gpu=get_gpus,
    params:
        settings=get_stage_settings(*TRAIN_KEYS),
        part="--stage {stage}",
        prune="",
        checkpoints="checkpoints/{stage}",
        metrics="logs/{stage}/train.metrics.jsonl",
    shell:
        TRAIN_COMMAND


use rule evaluate_model as evaluate_model_stage with:
    input:
        model=get_stage_model,
        adapters=lambda wildcards: f"outputs/{wildcards.stage}/adapters" if wildcards.who == "tuned" else [],
        test="data/{stage}/test.jsonl",
        card=[],
        template="data/{stage}/template.json",
        retention=lambda wildcards: get_retention_input(STAGES[wildcards.stage]),
        code=get_code("evaluate_model.py", "embedded/retention.jsonl"),
    output:
        predictions="outputs/{stage}/eval/{who}.predictions.jsonl",
    log:
        "logs/{stage}/evaluate_model_{who}_{stage}.log",
    params:
        card="",
        settings=get_stage_settings(*PROMPT_KEYS),
        part="--stage {stage}",
        adapters=lambda wildcards, input: f"--adapters {input.adapters}" if input.adapters else "",
        options=lambda wildcards: list_prompt_options(STAGES[wildcards.stage]),


use rule compare_models as compare_models_stage with:
    input:
        base="outputs/{stage}/eval/base.predictions.jsonl",
        tuned="outputs/{stage}/eval/tuned.predictions.jsonl",
        rivals=[],
        seeds=[],
        test="data/{stage}/test.jsonl",
        train="data/{stage}/train.jsonl",
        facts="outputs/{stage}/train.json",
        retention=lambda wildcards: get_retention_input(STAGES[wildcards.stage]),
        lm_eval=[],
        code=lambda wildcards: get_code(
            "compare_models.py",
            "embedded/retention.jsonl",
            *EVALUATION_PAGE,
            *get_metric_plugins(STAGES[wildcards.stage]),
        ),
    output:
        compare="outputs/{stage}/eval/compare.json",
        verdict="outputs/{stage}/eval/verdict.json",
        page="outputs/{stage}/eval/report.html",
        report="logs/{stage}/eval.log",
        side_by_side="logs/{stage}/eval_compare.log",
    log:
        "logs/{stage}/compare_models_{stage}.log",
    params:
        settings=get_stage_settings(*COMPARE_KEYS),
        part="--stage {stage}",
        lm_eval="",
        rivals="",
        seeds="",


# What each stage gave: the model that it starts from answers the test rows of the last stage too. The results of the last
# two are there already, as base and tuned.
use rule evaluate_model as evaluate_model_start with:
    input:
        model=get_stage_model,
        adapters=[],
        test="data/test.jsonl",
        card=get_length_input,
        template="data/template.json",
        retention=get_retention_input(),
        code=get_code("evaluate_model.py", "embedded/retention.jsonl"),
    output:
        predictions="outputs/{stage}/eval/start.predictions.jsonl",
    log:
        "logs/{stage}/evaluate_model_start_{stage}.log",
    params:
        card=get_length_flag,
        settings=get_settings(*PROMPT_KEYS),
        part="",
        adapters="",
        options=lambda wildcards: list_prompt_options(CONFIG),


rule compare_stages:
    input:
        starts=expand("outputs/{stage}/eval/start.predictions.jsonl", stage=STAGES),
        base="outputs/{run}/eval/base.predictions.jsonl",
        tuned="outputs/{run}/eval/tuned.predictions.jsonl",
        test="data/test.jsonl",
        facts=[*expand("outputs/{stage}/train.json", stage=STAGES), "outputs/{run}/train.json"],
        cards=[*expand("data/{stage}/card.json", stage=STAGES), "data/card.json"],
        compares=expand("outputs/{stage}/eval/compare.json", stage=STAGES),
        code=get_code("compare_stages.py", *get_metric_plugins()),
    output:
        "outputs/{run}/eval/stages.json",
    log:
        "logs/{run}/compare_stages.log",
    params:
        settings=get_settings(
            "method", "eval.metrics", "eval.options", "eval.confidence", "train.rewards", "data.slice"
        ),
        stages=[cut_settings(one, "method", "model", "data", "eval") for one in STAGES.values()],
        names=" ".join([*STAGES, CONFIG.stages[-1].name]) if STAGES else "",
    shell:
        "{PYTHON} scripts/compare_stages.py --stages {params.names} --answers {input.starts} {input.base} {input.tuned}"
        " --test {input.test} --facts {input.facts} --cards {input.cards} --compares {input.compares}"
        " --config {CONFIG_FILE} --out {output} --log {log}"
