# Phase 3, train, on a machine that is not this one, for any driver: push, train, poll, pull. Each can be repeated after a
# kill on either side; the lease, the checkpoints and the metrics are no output, so that they survive a failure.


REMOTE_TRAINING = (
    " --config {CONFIG_FILE} --log {log} -- scripts/train_model.py --model {input.model} --train {input.train}"
    " --valid {input.valid} --template {input.template} --card {input.card} --config {CONFIG_FILE}"
    " --checkpoints {params.checkpoints} --metrics {params.metrics} --adapters {params.adapters}"
    " --facts {params.facts} --log {params.log}"
)
REMOTE_INPUTS = {
    "preflight": "outputs/env/preflight.json",
    "model": get_model_facts,
    "export": get_export_trial,
    "train": of_data("train.jsonl"),
    "valid": of_data("valid.jsonl"),
    "template": of_data("template.json"),
    "card": of_data("card.json"),
    "code": get_code("train_model.py", *get_training_plugins(CONFIG)),
}
REMOTE_PARAMS = {
    "checkpoints": "checkpoints/{run}",
    "metrics": "logs/{run}/train.metrics.jsonl",
    "adapters": "outputs/{run}/adapters",
    "facts": "outputs/{run}/train.json",
    "log": "logs/{run}/train_model.log",
}


rule run_remote_push:
    input:
        **REMOTE_INPUTS,
    output:
        temp("outputs/{run}/remote/pushed.json"),
    log:
        "logs/{run}/run_remote_push.log",
    params:
        **REMOTE_PARAMS,
        settings=get_settings(*TRAIN_KEYS),
    shell:
        "{PYTHON} scripts/run_remote.py --step push --out {output}" + REMOTE_TRAINING


rule run_remote_train:
    input:
        "outputs/{run}/remote/pushed.json",
        **REMOTE_INPUTS,
    output:
        temp("outputs/{run}/remote/started.json"),
    log:
        "logs/{run}/run_remote_train.log",
    params:
        **REMOTE_PARAMS,
    shell:
        "{PYTHON} scripts/run_remote.py --step train --out {output}" + REMOTE_TRAINING


rule run_remote_poll:
    input:
        "outputs/{run}/remote/started.json",
        **REMOTE_INPUTS,
    output:
        temp("outputs/{run}/remote/finished.json"),
    log:
        "logs/{run}/run_remote_poll.log",
    params:
        **REMOTE_PARAMS,
    shell:
        "{PYTHON} scripts/run_remote.py --step poll --out {output}" + REMOTE_TRAINING


rule run_remote_pull:
    input:
        "outputs/{run}/remote/finished.json",
        **REMOTE_INPUTS,
    output:
        adapters=directory("outputs/{run}/adapters"),
        facts="outputs/{run}/train.json",
    log:
        "logs/{run}/run_remote_pull.log",
    params:
        **REMOTE_PARAMS,
        last=get_last_flag(),
    shell:
        "{PYTHON} scripts/run_remote.py --step pull {params.last}" + REMOTE_TRAINING
