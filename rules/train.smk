# Phase 3, train: one rule for every backend that runs here; its displayed name has the backend. Checkpoints are no
# output, so that they survive a failure.


rule train_model:
    name:
        f"train_model_{CONFIG.backend}"
    input:
        preflight="outputs/env/preflight.json",
        model=get_model_facts,
        export=get_export_trial,
        train=of_data("train.jsonl"),
        valid=of_data("valid.jsonl"),
        template=of_data("template.json"),
        card=of_data("card.json"),
        code=lambda wildcards: get_code("train_model.py", *get_training_plugins(get_config(wildcards.run))),
    output:
        adapters=directory("outputs/{run}/adapters"),
        facts="outputs/{run}/train.json",
    log:
        "logs/{run}/train_model.log",
    resources:
        model=1,
        mem_mb=get_memory,
        cpus_per_task=get_cpus,
        gpu=get_gpus,
    params:
        settings=get_settings(*TRAIN_KEYS),
        part=get_part,
        prune=get_prune_flags,
        checkpoints="checkpoints/{run}",
        metrics="logs/{run}/train.metrics.jsonl",
    shell:
        TRAIN_COMMAND
