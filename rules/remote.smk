# Phase 4 on a Colab machine: push, train, poll, pull. Not built yet: the preflight refuses it by name.


rule push_colab:
    input:
        preflight="outputs/env/preflight.json",
        train="data/train.jsonl",
        valid="data/valid.jsonl",
        template="data/template.json",
        model=MODEL_FACTS,
        code=get_code("run_colab.py", "backends/colab"),
    output:
        temp("outputs/{run}/colab/pushed.json"),
    log:
        "logs/{run}/push_colab.log",
    shell:
        "{PYTHON} scripts/run_colab.py --step push --out {output} --log {log}"


rule train_colab:
    input:
        "outputs/{run}/colab/pushed.json",
    output:
        temp("outputs/{run}/colab/started.json"),
    log:
        "logs/{run}/train_colab.log",
    shell:
        "{PYTHON} scripts/run_colab.py --step train --out {output} --log {log}"


rule poll_colab:
    input:
        "outputs/{run}/colab/started.json",
    output:
        temp("outputs/{run}/colab/finished.json"),
    log:
        "logs/{run}/poll_colab.log",
    shell:
        "{PYTHON} scripts/run_colab.py --step poll --out {output} --log {log}"


rule pull_colab:
    input:
        "outputs/{run}/colab/finished.json",
    output:
        adapters=directory("outputs/{run}/adapters"),
        facts="outputs/{run}/train.json",
    log:
        "logs/{run}/pull_colab.log",
    shell:
        "{PYTHON} scripts/run_colab.py --step pull --out {output.facts} --log {log}"
