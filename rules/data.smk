# Phase 2: any file becomes train / valid / test, a card of facts, and the one place that knows the prompt.


rule prepare_data:
    input:
        source=get_data_input(),
        model=MODEL_FACTS,
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
    params:
        settings=get_settings("method", "data", "train.max_length"),
    shell:
        "{PYTHON} scripts/prepare_data.py --model {input.model} --settings {params.settings:q}"
        " --train {output.train} --valid {output.valid} --test {output.test} --template {output.template}"
        " --card {output.card} --strategy {output.strategy} --log {log}"
