# Phase 3, train, of a sweep: its points go through the rules of every run (wildcard run) and answer the validation rows;
# the best of them go on to the test rows and all later phases.


use rule evaluate_model as evaluate_model_valid with:
    input:
        model=get_model_facts,
        adapters="outputs/{run}/adapters",
        test=of_data("valid.jsonl"),
        card=get_length_input,
        template=of_data("template.json"),
        retention=[],
        code=get_code("evaluate_model.py", "embedded/retention.jsonl"),
    output:
        predictions="outputs/{run}/eval/valid.predictions.jsonl",
    log:
        "logs/{run}/evaluate_model_valid.log",
    params:
        card=get_length_flag,
        settings=get_settings(*PROMPT_KEYS),
        part=get_part,
        adapters=lambda wildcards, input: f"--rows-only --adapters {input.adapters}",
        options=get_prompt_options,


# Points with rows of their own must have the same questions: known as soon as the data is prepared.
if PARTS:

    rule match_rows:
        input:
            rows=sorted({f"{get_data_folder(run)}/valid.jsonl" for run in POINTS}),
            code=get_code("match_rows.py", *get_metric_plugins()),
        output:
            "outputs/sweep.rows.json",
        log:
            "logs/match_rows.log",
        priority: 20
        params:
            settings=get_settings(*SCORE_KEYS, "sweep"),
            runs=" ".join(POINTS),
            rows=" ".join(f"{get_data_folder(run)}/valid.jsonl" for run in POINTS),
        shell:
            "{PYTHON} scripts/match_rows.py --runs {params.runs} --rows {params.rows} --config {CONFIG_FILE}"
            " --out {output} --log {log}"


# A checkpoint: which runs go through the later phases is known when it is done.
checkpoint compare_points:
    input:
        answers=expand("outputs/{run}/eval/valid.predictions.jsonl", run=POINT_RUNS),
        facts=expand("outputs/{run}/train.json", run=POINT_RUNS),
        rows=sorted({f"{get_data_folder(run)}/valid.jsonl" for run in POINT_RUNS}),
        matched=["outputs/sweep.rows.json"] if PARTS else [],
        code=get_code("compare_points.py", *get_metric_plugins()),
    output:
        "outputs/sweep.json",
    log:
        "logs/compare_points.log",
    params:
        settings=get_settings(*SCORE_KEYS, "sweep"),
        runs=" ".join(POINT_RUNS),
        rows=" ".join(f"{get_data_folder(run)}/valid.jsonl" for run in POINT_RUNS),
    shell:
        "{PYTHON} scripts/compare_points.py --runs {params.runs} --answers {input.answers} --facts {input.facts}"
        " --rows {params.rows} --config {CONFIG_FILE} --out {output} --log {log}"


rule build_sweep_page:
    input:
        sweep="outputs/sweep.json",
        metrics=expand("outputs/{run}/train.json", run=POINTS),
        compares=lambda wildcards: [f"outputs/{run}/eval/compare.json" for run in get_kept()],
        ladders=lambda wildcards: [file for run in get_kept() for file in get_ladder(run)],
        code=get_code("build_sweep_page.py", "pages/base.css"),
        page=expand("scripts/gaslamp/report/sweep/{file}", file=["sweep.html.j2", "style.css"]),
    output:
        "outputs/sweep.html",
    log:
        "logs/build_sweep_page.log",
    params:
        settings=get_settings("project.name"),
    shell:
        "{PYTHON} scripts/build_sweep_page.py --sweep {input.sweep} --config {CONFIG_FILE} --out {output} --log {log}"
