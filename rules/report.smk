# Phase 5, report: brief, demo, report, roadbook, progress log. The demo is a folder that opens from disk. Its first
# page needs the comparison only, so that it is there when a gate stops the run; the page of the files follows the
# parity gate.


rule write_brief:
    input:
        code=get_code("write_brief.py"),
    output:
        "project_brief.md",
    log:
        "logs/write_brief.log",
    params:
        settings=get_settings("project", "method", "model", "data", "backend"),
    shell:
        "{PYTHON} scripts/write_brief.py --config {CONFIG_FILE} --out {output} --log {log}"


rule build_demo:
    input:
        compare="outputs/{run}/eval/compare.json",
        train="outputs/{run}/train.json",
        model=get_model_facts,
        code=get_code("build_demo.py", "pages/base.css"),
        words=expand("scripts/gaslamp/report/demo/languages/{code}.yaml", code=sorted({"en", CONFIG.demo.language})),
        style=CONFIG.demo.style or [],
        page=expand("scripts/gaslamp/report/demo/{file}", file=["index.html.j2", "style.css", "page.js"]),
    output:
        report("demos/{run}/index.html", caption="../workflow/report/demo.rst", category="Demo"),
    log:
        "logs/{run}/build_demo.log",
    params:
        part=get_part,
        settings=get_settings("project", "demo", "method"),
    shell:
        "{PYTHON} scripts/build_demo.py --compare {input.compare} --train {input.train} --model {input.model}"
        " --config {CONFIG_FILE} {params.part} --out {output} --log {log}"


rule build_demo_files:
    input:
        ladder="outputs/{run}/gguf/ladder.json",
        plot="outputs/{run}/gguf/ladder.svg",
        parity="outputs/{run}/gguf/parity.json",
        roadbook="gaslamp.md",
        compare="outputs/{run}/eval/compare.json",
        predictions=expand("outputs/{{run}}/eval/gguf-{level}.predictions.jsonl", level=LEVELS),
        code=get_code("build_demo_files.py", "pages/base.css"),
        words=rules.build_demo.input.words,
        style=rules.build_demo.input.style,
        page=expand("scripts/gaslamp/report/demo/{file}", file=["files.html.j2", "style.css"]),
    output:
        page="demos/{run}/files.html",
        plot="demos/{run}/ladder.svg",
        roadbook="demos/{run}/gaslamp.md",
    log:
        "logs/{run}/build_demo_files.log",
    params:
        part=get_part,
        settings=get_settings("project", "demo"),
    shell:
        "{PYTHON} scripts/build_demo_files.py --ladder {input.ladder} --plot {input.plot} --parity {input.parity}"
        " --roadbook {input.roadbook} --compare {input.compare} --predictions {input.predictions} --config {CONFIG_FILE} {params.part} --out {output.page} --log {log}"


rule write_roadbook:
    input:
        system="outputs/env/system.json",
        env="outputs/env/env.json",
        preflight="outputs/env/preflight.json",
        model=lambda wildcards: get_model_facts_of(get_best()),
        card=lambda wildcards: f"{get_data_folder(get_best())}/card.json",
        template=lambda wildcards: f"{get_data_folder(get_best())}/template.json",
        train=of_best("train.json"),
        compare=of_best("eval/compare.json"),
        verdict=of_best("eval/verdict.json"),
        ladder=of_best("gguf/ladder.json"),
        parity=of_best("gguf/parity.json"),
        exports=lambda wildcards: get_exports(get_best()),
        payload=of_best("reflection/payload.json"),
        stages=get_stages_facts(),
        sweep=get_sweep_facts,
        applied=branch(Path(".gaslamp_applied.json").is_file(), then=".gaslamp_applied.json", otherwise=[]),
        style=rules.build_demo.input.style,
        code=get_code("write_roadbook.py"),
        page="scripts/gaslamp/report/roadbook/gaslamp.md.j2",
    output:
        "gaslamp.md",
    log:
        "logs/write_roadbook.log",
    params:
        part=get_part_of_best,
        settings=get_settings_of_best(
            "run",
            "backend",
            "method",
            "project",
            "model",
            "data",
            "train",
            "eval",
            "demo",
            "export",
            "deploy",
            "reflect",
        ),
        facts=lambda wildcards, input: " ".join(
            f"--{key} {input[key]}"
            for key in (
                "system",
                "env",
                "preflight",
                "model",
                "card",
                "template",
                "train",
                "compare",
                "verdict",
                "ladder",
                "parity",
                "payload",
                *(["stages"] if STAGES else []),
                *(["sweep"] if input.sweep else []),
            )
        ),
    shell:
        "{PYTHON} scripts/write_roadbook.py {params.facts} --config {CONFIG_FILE} {params.part} --out {output} --log {log}"


rule build_report:
    input:
        system="outputs/env/system.json",
        env="outputs/env/env.json",
        model=get_model_facts,
        card=of_data("card.json"),
        train="outputs/{run}/train.json",
        compare="outputs/{run}/eval/compare.json",
        verdict="outputs/{run}/eval/verdict.json",
        shipped=[*get_ladder("{run}"), *get_parity("{run}")],
        code=get_code("build_report.py", "pages/base.css"),
        page=expand("scripts/gaslamp/report/run_report/{file}", file=["report.html.j2", "style.css"]),
    output:
        report("outputs/{run}/report.html", caption="../workflow/report/report.rst", category="Report"),
    log:
        "logs/{run}/build_report.log",
    params:
        part=get_part,
        settings=get_settings("project"),
        metrics="logs/{run}/train.metrics.jsonl",
        shipped=lambda wildcards, input: " ".join(f"--{Path(file).stem} {file}" for file in input.shipped),
    shell:
        "{PYTHON} scripts/build_report.py --system {input.system} --env {input.env} --model {input.model}"
        " --card {input.card}"
        " --train {input.train} --compare {input.compare} --verdict {input.verdict} {params.shipped}"
        " --metrics {params.metrics} --config {CONFIG_FILE} {params.part} --out {output} --log {log}"


rule write_progress:
    input:
        get_progress_inputs,
        code=get_code("write_progress.py"),
    output:
        "progress_log.md",
    log:
        "logs/write_progress.log",
    shell:
        "{PYTHON} scripts/write_progress.py --phases logs/phases.jsonl --out {output} --log {log}"
