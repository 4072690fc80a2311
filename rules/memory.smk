# Phase 8, memory: what the next project should know.


rule reflect:
    input:
        system="outputs/env/system.json",
        train="outputs/{run}/train.json",
        compare="outputs/{run}/eval/compare.json",
        ladder="outputs/{run}/gguf/ladder.json",
        model=get_model_facts,
        card=of_data("card.json"),
        hints=branch(Path(".reflect_hints.json").is_file(), then=".reflect_hints.json", otherwise=[]),
        code=get_code("reflect.py"),
    output:
        payload="outputs/{run}/reflection/payload.json",
        decisions="outputs/{run}/reflection/decisions.md",
    log:
        "logs/{run}/reflect.log",
    params:
        part=get_part,
        settings=get_settings("project", "method", "model", "backend", "train", "reflect"),
    shell:
        "{PYTHON} scripts/reflect.py --run {wildcards.run} --system {input.system} --train {input.train} --compare {input.compare}"
        " --ladder {input.ladder} --model {input.model} --card {input.card} --config {CONFIG_FILE} {params.part}"
        " --payload {output.payload} --decisions {output.decisions} --log {log}"
