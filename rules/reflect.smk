# Phase 7: what the next project should know; then everything told as a roadbook from the facts, that included.


rule reflect:
    input:
        system="outputs/env/system.json",
        train="outputs/{run}/train.json",
        compare="outputs/{run}/eval/compare.json",
        ladder="outputs/{run}/gguf/ladder.json",
        model=MODEL_FACTS,
        card="data/card.json",
        hints=branch(Path(".reflect_hints.json").is_file(), then=".reflect_hints.json", otherwise=[]),
        code=get_code("reflect.py"),
    output:
        payload="outputs/{run}/reflection/payload.json",
        decisions="outputs/{run}/reflection/decisions.md",
    log:
        "logs/{run}/reflect.log",
    params:
        settings=get_settings("project", "method", "model", "backend", "train", "reflect"),
    shell:
        "{PYTHON} scripts/reflect.py --system {input.system} --train {input.train} --compare {input.compare}"
        " --ladder {input.ladder} --model {input.model} --card {input.card} --settings {params.settings:q}"
        " --payload {output.payload} --decisions {output.decisions} --log {log}"


rule write_roadbook:
    input:
        system="outputs/env/system.json",
        env="outputs/env/env.json",
        preflight="outputs/env/preflight.json",
        model=MODEL_FACTS,
        card="data/card.json",
        template="data/template.json",
        train=f"outputs/{RUN}/train.json",
        compare=f"outputs/{RUN}/eval/compare.json",
        verdict=f"outputs/{RUN}/eval/verdict.json",
        ladder=f"outputs/{RUN}/gguf/ladder.json",
        parity=f"outputs/{RUN}/gguf/parity.json",
        exports=get_exports(),
        payload=f"outputs/{RUN}/reflection/payload.json",
        code=get_code("write_roadbook.py"),
        page="scripts/gaslamp/roadbook/gaslamp.md.j2",
    output:
        "gaslamp.md",
    log:
        "logs/write_roadbook.log",
    params:
        settings=get_settings(
            "run", "backend", "method", "project", "model", "data", "train", "eval", "demo", "export", "deploy", "reflect"
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
            )
        ),
    shell:
        "{PYTHON} scripts/write_roadbook.py {params.facts} --settings {params.settings:q} --out {output} --log {log}"


rule build_report:
    input:
        system="outputs/env/system.json",
        env="outputs/env/env.json",
        model=MODEL_FACTS,
        card="data/card.json",
        train="outputs/{run}/train.json",
        compare="outputs/{run}/eval/compare.json",
        verdict="outputs/{run}/eval/verdict.json",
        shipped=expand("outputs/{{run}}/gguf/{name}.json", name=["ladder", "parity"] if get_proof() else []),
        code=get_code("build_report.py"),
        page=expand("scripts/gaslamp/report/{file}", file=["report.html.j2", "style.css"]),
    output:
        report("outputs/{run}/report.html", caption="../workflow/report/report.rst", category="Report"),
    log:
        "logs/{run}/build_report.log",
    params:
        settings=get_settings("project"),
        metrics="logs/{run}/train.metrics.jsonl",
        shipped=lambda wildcards, input: " ".join(f"--{Path(file).stem} {file}" for file in input.shipped),
    shell:
        "{PYTHON} scripts/build_report.py --system {input.system} --env {input.env} --model {input.model} --card {input.card}"
        " --train {input.train} --compare {input.compare} --verdict {input.verdict} {params.shipped}"
        " --metrics {params.metrics} --settings {params.settings:q} --out {output} --log {log}"


rule write_progress:
    input:
        get_told(),
        code=get_code("write_progress.py"),
    output:
        "progress_log.md",
    log:
        "logs/write_progress.log",
    shell:
        "{PYTHON} scripts/write_progress.py --phases logs/phases.jsonl --out {output} --log {log}"
