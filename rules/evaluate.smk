# Phase 5: the same prompts through base and tuned, then the comparison that the gate and every page are made from.


rule evaluate_model:
    input:
        model=MODEL_FACTS,
        adapters=get_adapters,
        test="data/test.jsonl",
        template="data/template.json",
        code=get_code("evaluate_model.py", "embedded/retention.jsonl"),
    output:
        predictions="outputs/{run}/eval/{who}.predictions.jsonl",
    log:
        "logs/{run}/evaluate_{who}.log",
    resources:
        model=1,
    params:
        settings=get_settings("eval.max_new_tokens", "eval.batch_size", "eval.retention"),
        adapters=lambda wildcards, input: f"--adapters {input.adapters}" if input.adapters else "",
    shell:
        "{PYTHON} scripts/evaluate_model.py --model {input.model} {params.adapters} --test {input.test}"
        " --template {input.template} --settings {params.settings:q} --out {output.predictions} --log {log}"


rule compare_models:
    input:
        base="outputs/{run}/eval/base.predictions.jsonl",
        tuned="outputs/{run}/eval/tuned.predictions.jsonl",
        test="data/test.jsonl",
        code=get_code("compare_models.py", "embedded/retention.jsonl", *get_metric_plugins()),
    output:
        compare="outputs/{run}/eval/compare.json",
        verdict="outputs/{run}/eval/verdict.json",
        report="logs/{run}/eval.log",
        side_by_side="logs/{run}/eval_compare.log",
    log:
        "logs/{run}/compare_models.log",
    params:
        settings=get_settings("eval", "data.slice"),
    shell:
        "{PYTHON} scripts/compare_models.py --base {input.base} --tuned {input.tuned} --test {input.test}"
        " --settings {params.settings:q} --compare {output.compare} --verdict {output.verdict}"
        " --report {output.report} --side-by-side {output.side_by_side} --log {log}"
