# Phase 3, train: one rule for every backend that runs here; its displayed name has the backend. Checkpoints are no
# output, so that they survive a failure.


rule train_model:
    name:
        f"train_model_{CONFIG.backend}"
    input:
        preflight="outputs/env/preflight.json",
        model=MODEL_FACTS,
        export=EXPORT_TRIAL,
        train="data/train.jsonl",
        valid="data/valid.jsonl",
        template="data/template.json",
        card="data/card.json",
        code=get_code("train_model.py", *get_training_plugins()),
    output:
        adapters=directory("outputs/{run}/adapters"),
        facts="outputs/{run}/train.json",
    log:
        "logs/{run}/train_model.log",
    resources:
        model=1,
    params:
        settings=get_settings(*TRAIN_KEYS),
        part=get_part,
        checkpoints="checkpoints/{run}",
        metrics="logs/{run}/train.metrics.jsonl",
    shell:
        TRAIN_COMMAND
