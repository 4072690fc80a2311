# Phase 6.5: the speed of every level. Serving is no file, so `make deploy` does it after this (scripts/serve_model.py).


rule bench_gguf:
    input:
        gguf=expand("outputs/{{run}}/gguf/model-{level}.gguf", level=LEVELS),
        toolchain=TOOLCHAIN,
        code=get_code("bench_gguf.py"),
    output:
        "outputs/{run}/gguf/bench.json",
    log:
        "logs/{run}/bench_gguf.log",
    resources:
        model=1,
    shell:
        "{PYTHON} scripts/bench_gguf.py --gguf {input.gguf} --toolchain {input.toolchain} --out {output} --log {log}"
