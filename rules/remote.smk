# Phase 3, train, on a Colab machine: push, train, poll, pull. Not built yet: the preflight refuses it by name.


rule run_colab_push:
    input:
        preflight="outputs/env/preflight.json",
        train="data/train.jsonl",
        valid="data/valid.jsonl",
        template="data/template.json",
        model=MODEL_FACTS,
        export=EXPORT_TRIAL,
        code=get_code("run_colab.py", "backends/colab"),
    output:
        temp("outputs/{run}/colab/pushed.json"),
    log:
        "logs/{run}/run_colab_push.log",
    shell:
        "{PYTHON} scripts/run_colab.py --step push --out {output} --log {log}"


rule run_colab_train:
    input:
        "outputs/{run}/colab/pushed.json",
    output:
        temp("outputs/{run}/colab/started.json"),
    log:
        "logs/{run}/run_colab_train.log",
    shell:
        "{PYTHON} scripts/run_colab.py --step train --out {output} --log {log}"


rule run_colab_poll:
    input:
        "outputs/{run}/colab/started.json",
    output:
        temp("outputs/{run}/colab/finished.json"),
    log:
        "logs/{run}/run_colab_poll.log",
    shell:
        "{PYTHON} scripts/run_colab.py --step poll --out {output} --log {log}"


rule run_colab_pull:
    input:
        "outputs/{run}/colab/finished.json",
    output:
        adapters=directory("outputs/{run}/adapters"),
        facts="outputs/{run}/train.json",
    log:
        "logs/{run}/run_colab_pull.log",
    shell:
        "{PYTHON} scripts/run_colab.py --step pull --out {output.facts} --log {log}"
