# Phase 2, data: any file becomes train / valid / test rows, a card of facts, and the one prompt template.


rule prepare_data:
    input:
        source=get_data_input(),
        kept=get_kept_input(),
        model=FIRST_FACTS,
        system="outputs/env/system.json",
        env="outputs/env/env.json",
        code=get_code("prepare_data.py", f"methods/{CONFIG.method}", *get_data_plugins()),
    output:
        train="data/train.jsonl",
        valid="data/valid.jsonl",
        test="data/test.jsonl",
        template="data/template.json",
        card="data/card.json",
        strategy="data_strategy.md",
    log:
        "logs/prepare_data.log",
    priority: 20
    params:
        settings=get_settings(*DATA_KEYS),
        length=get_length_reasons(),
        stage="",
        kept=lambda wildcards, input: f"--kept {input.kept}" if input.kept else "",
    shell:
        "{PYTHON} scripts/prepare_data.py --model {input.model} {params.kept} --system {input.system} --env {input.env}"
        " --config {CONFIG_FILE} {params.stage}"
        " --train {output.train} --valid {output.valid} --test {output.test} --template {output.template}"
        " --card {output.card} --strategy {output.strategy} --log {log}"


rule build_data_page:
    input:
        card="data/card.json",
        rows=expand("data/{split}.jsonl", split=["train", "valid", "test"]),
        template="data/template.json",
        model=FIRST_FACTS,
        code=get_code("build_data_page.py", "pages/base.css"),
        page=expand("scripts/gaslamp/data/{file}", file=["page.html.j2", "page.css"]),
    output:
        "data/report.html",
    log:
        "logs/build_data_page.log",
    params:
        settings=get_settings("project", "method"),
        stage="",
    shell:
        "{PYTHON} scripts/build_data_page.py --card {input.card} --template {input.template} --model {input.model}"
        " --config {CONFIG_FILE} {params.stage} --out {output} --log {log}"
