# Phase 2, data: any file becomes train / valid / test rows, a card of facts, and the one prompt template.


rule generate_rows:
    input:
        seeds=get_generation_inputs(),
        code=get_code("generate_rows.py", f"methods/{CONFIG.method}"),
    output:
        candidates="data/generated/candidates.jsonl",
        facts="data/generated/generation.json",
    log:
        "logs/generate_rows.log",
    params:
        settings=get_settings(*GENERATE_KEYS),
    shell:
        "{PYTHON} scripts/generate_rows.py --config {CONFIG_FILE} --candidates {output.candidates}"
        " --facts {output.facts} --log {log}"


rule select_rows:
    input:
        candidates="data/generated/candidates.jsonl",
        facts="data/generated/generation.json",
        review=get_review_input(),
        code=get_code("select_rows.py"),
    output:
        rows="data/generated/rows.jsonl",
        selection="data/generated/selection.json",
    log:
        "logs/select_rows.log",
    params:
        settings=get_settings("data.generate.review"),
        review=lambda wildcards, input: f"--review {input.review}" if input.review else "",
    shell:
        "{PYTHON} scripts/select_rows.py --candidates {input.candidates} --facts {input.facts} {params.review}"
        " --config {CONFIG_FILE} --rows {output.rows} --selection {output.selection} --log {log}"


rule prepare_data:
    input:
        source=get_data_input(),
        kept=get_kept_input(),
        labelled=get_labelled_input(),
        generated=get_generated_input(),
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
        part="",
        kept=lambda wildcards, input: f"--kept {input.kept}" if input.kept else "",
        added=get_added_flags,
    shell:
        "{PYTHON} scripts/prepare_data.py --model {input.model} {params.kept} {params.added} --system {input.system} --env {input.env}"
        " --config {CONFIG_FILE} {params.part}"
        " --train {output.train} --valid {output.valid} --test {output.test} --template {output.template}"
        " --card {output.card} --strategy {output.strategy} --log {log}"


# It computes alone: a training that starts next to it takes the machine for a busy one, and its threads sleep to the end.
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
    priority: 10
    resources:
        model=1,
        mem_mb=get_memory,
        cpus_per_task=get_cpus,
        gpu=get_gpus,
    params:
        settings=get_settings("project", "method"),
        part="",
    shell:
        "{PYTHON} scripts/build_data_page.py --card {input.card} --template {input.template} --model {input.model}"
        " --config {CONFIG_FILE} {params.part} --out {output} --log {log}"
