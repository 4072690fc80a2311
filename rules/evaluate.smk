# Phase 5: the same prompts through base and tuned, then the comparison that the gate and every page are made from.


rule evaluate_model:
    input:
        model=MODEL_FACTS,
        adapters=get_adapters,
        test="data/test.jsonl",
        template="data/template.json",
        retention=get_retention_input(),
        code=get_code("evaluate_model.py", "embedded/retention.jsonl"),
    output:
        predictions="outputs/{run}/eval/{who}.predictions.jsonl",
    log:
        "logs/{run}/evaluate_{who}.log",
    wildcard_constraints:
        who="base|tuned",
    resources:
        model=1,
    params:
        settings=ASK_REASONS,
        adapters=lambda wildcards, input: f"--adapters {input.adapters}" if input.adapters else "",
        measures=f"--measures {shlex.quote(ASKED)}" if ASKED else "",
    shell:
        "{PYTHON} scripts/evaluate_model.py --model {input.model} {params.adapters} --test {input.test}"
        " --template {input.template} --settings {ASK_SETTINGS:q} {params.measures} --out {output.predictions} --log {log}"


rule compare_models:
    input:
        base="outputs/{run}/eval/base.predictions.jsonl",
        tuned="outputs/{run}/eval/tuned.predictions.jsonl",
        test="data/test.jsonl",
        train="data/train.jsonl",
        facts="outputs/{run}/train.json",
        retention=get_retention_input(),
        code=get_code("compare_models.py", "embedded/retention.jsonl", *EVALUATION_PAGE, *get_metric_plugins()),
    output:
        compare="outputs/{run}/eval/compare.json",
        verdict="outputs/{run}/eval/verdict.json",
        page="outputs/{run}/eval/report.html",
        report="logs/{run}/eval.log",
        side_by_side="logs/{run}/eval_compare.log",
    log:
        "logs/{run}/compare_models.log",
    params:
        settings=JUDGE_REASONS,
    shell:
        "{PYTHON} scripts/compare_models.py --base {input.base} --tuned {input.tuned} --test {input.test}"
        " --train {input.train} --facts {input.facts} --settings {JUDGE_SETTINGS:q} --compare {output.compare}"
        " --verdict {output.verdict} --page {output.page} --report {output.report} --side-by-side {output.side_by_side}"
        " --log {log}"
