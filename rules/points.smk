# Phase 2, data, of runs that differ in more than the training: points of a sweep with another system prompt, method or base
# model have rows of their own, in data/<part>/, by the rules of the project's own rows.


wildcard_constraints:
    part="|".join(map(re.escape, PARTS)) or " ",
    base="|".join(map(re.escape, BASES)) or " ",


def get_part_config(wildcards):
    """The config of a run whose rows are in the part of the wildcards."""
    return get_config(PARTS[wildcards.part])


def get_part_settings(*keys):
    """What ``get_settings`` is for the part in the wildcards."""
    return lambda wildcards: cut_settings(get_part_config(wildcards), *keys)


def get_part_model(wildcards):
    """model.json of the model whose tokenizer and template the rows are prepared for."""
    return get_model_facts_of(PARTS[wildcards.part])


def get_part_file(wildcards, input):
    """The file that makes a script read the config of that run."""
    return str(write_point(PARTS[wildcards.part]))


use rule prepare_data as prepare_data_part with:
    input:
        source=lambda wildcards: get_data_input(get_part_config(wildcards)),
        kept=get_kept_input(),
        labelled=get_labelled_input(),
        generated=get_generated_input(),
        model=get_part_model,
        system="outputs/env/system.json",
        env="outputs/env/env.json",
        code=lambda wildcards: get_code(
            "prepare_data.py",
            f"methods/{get_part_config(wildcards).method}",
            *get_data_plugins(get_part_config(wildcards)),
        ),
    output:
        train="data/{part}/train.jsonl",
        valid="data/{part}/valid.jsonl",
        test="data/{part}/test.jsonl",
        template="data/{part}/template.json",
        card="data/{part}/card.json",
        strategy="data/{part}/strategy.md",
    log:
        "logs/prepare_data_part_{part}.log",
    params:
        settings=get_part_settings(*DATA_KEYS),
        length=lambda wildcards: get_length_reasons(get_part_config(wildcards)),
        part=get_part_file,
        kept=lambda wildcards, input: f"--kept {input.kept}" if input.kept else "",
        added=get_added_flags,


use rule build_data_page as build_data_page_part with:
    input:
        card="data/{part}/card.json",
        rows=expand("data/{{part}}/{split}.jsonl", split=["train", "valid", "test"]),
        template="data/{part}/template.json",
        model=get_part_model,
        code=get_code("build_data_page.py", "pages/base.css"),
        page=expand("scripts/gaslamp/data/{file}", file=["page.html.j2", "page.css"]),
    output:
        "data/{part}/report.html",
    log:
        "logs/build_data_page_part_{part}.log",
    params:
        settings=get_part_settings("project", "method"),
        part=get_part_file,


use rule fetch_model as fetch_model_point with:
    input:
        preflight="outputs/env/preflight.json",
        source=lambda wildcards: get_model_input(get_config(BASES[wildcards.base])),
        code=get_code("fetch_model.py"),
    output:
        "resources/models/{base}/model.json",
    log:
        "logs/fetch_model_point_{base}.log",
    params:
        settings=lambda wildcards: cut_settings(get_config(BASES[wildcards.base]), "model.source", "model.revision"),
        part=lambda wildcards, input: str(write_point(BASES[wildcards.base])),


use rule check_export as check_export_point with:
    input:
        model="resources/models/{base}/model.json",
    output:
        "resources/models/{base}/export.json",
    log:
        "logs/check_export_point_{base}.log",
    params:
        part=lambda wildcards, input: str(write_point(BASES[wildcards.base])),
