# Phase 5.5: one folder that opens from disk, made from the comparison and nothing else.


rule build_demo:
    input:
        compare="outputs/{run}/eval/compare.json",
        train="outputs/{run}/train.json",
        model=MODEL_FACTS,
        code=get_code("build_demo.py"),
        words=expand("scripts/gaslamp/demo/languages/{code}.yaml", code=sorted({"en", CONFIG.demo.language})),
        style=CONFIG.demo.style or [],
        page=expand("scripts/gaslamp/demo/{file}", file=["index.html.j2", "style.css", "page.js"]),
    output:
        report("demos/{run}/index.html", caption="../workflow/report/demo.rst", category="Demo"),
    log:
        "logs/{run}/build_demo.log",
    params:
        settings=get_settings("project", "demo", "method"),
    shell:
        "{PYTHON} scripts/build_demo.py --compare {input.compare} --train {input.train} --model {input.model}"
        " --settings {params.settings:q} --out {output} --log {log}"
