# Phase 5.5: one folder that opens from disk. Its first page is made from the comparison and nothing else; when the gates were
# passed, a second one shows the files. (The first stands also where the gate stopped: it says that nothing improved.)


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


rule build_demo_files:
    input:
        ladder="outputs/{run}/gguf/ladder.json",
        plot="outputs/{run}/gguf/ladder.svg",
        parity="outputs/{run}/gguf/parity.json",
        roadbook="gaslamp.md",
        code=get_code("build_demo_files.py"),
        words=rules.build_demo.input.words,
        style=rules.build_demo.input.style,
        page=expand("scripts/gaslamp/demo/{file}", file=["files.html.j2", "style.css"]),
    output:
        page="demos/{run}/files.html",
        plot="demos/{run}/ladder.svg",
        roadbook="demos/{run}/gaslamp.md",
    log:
        "logs/{run}/build_demo_files.log",
    params:
        settings=get_settings("project", "demo"),
    shell:
        "{PYTHON} scripts/build_demo_files.py --ladder {input.ladder} --plot {input.plot} --parity {input.parity}"
        " --roadbook {input.roadbook} --settings {params.settings:q} --out {output.page} --log {log}"
