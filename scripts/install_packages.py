"""Make a virtual environment and install into it: one line a step, with a sign of life; pip's own words are in a log.

Standard library only, and no syntax newer than Python 3.8: it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

NEEDED = (3, 11)
EVERY = 20.0  # seconds between two signs of life where no line can be rewritten
FIXES = (
    ("No space left", "free some disk space (packages take about 2 GB) and run the same command"),
    ("ConnectionError", "check the network (a proxy goes into HTTPS_PROXY) and run the same command"),
    ("NewConnectionError", "check the network (a proxy goes into HTTPS_PROXY) and run the same command"),
    ("Permission denied", "make the folder writable and run the same command"),
    (
        "DO NOT MATCH THE HASHES",
        "the index has another file than the lock names: leave LOCK out, or look into its origin",
    ),
    ("Failed building wheel", "take a Python for which there are ready-made packages: 3.11, 3.12 or 3.13"),
    ("No matching distribution", "take a Python for which there are ready-made packages: 3.11, 3.12 or 3.13"),
)
"""What pip prints -> the usual fix."""
SOURCES = ("index-url", "extra-index-url", "find-links", "no-index", "constraint", "proxy")
"""Settings of pip that uv does not read."""
OF_A_RUN = (
    "snakemake.cli",
    "cookiecutter.main",
    "pandas",
    "pulp",
    "duckdb",
    "pyarrow.parquet",
    "uvicorn",
    "starlette.applications",
    "gguf",
    "datasets",
    "peft",
    "trl.trainer.sft_trainer",
    "transformers.models.auto.modeling_auto",
    "transformers.models.llama.modeling_llama",
    "mlx_lm",
    "mlx_vlm",
)
"""Modules whose import compiles what a run imports; those that are not installed are passed over."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, required=True, help="folder of the environment; made when it is missing")
    parser.add_argument("--editable", help="a folder with extras to install for editing, such as .[cpu,dev]")
    parser.add_argument("--lock", type=Path, help="first the packages of this file, each with the hash that it names")
    parser.add_argument("--extras", nargs="+", default=[], help="install these extras of pyproject.toml")
    parser.add_argument("--alone", action="store_true", help="the extras only, without the project's dependencies")
    parser.add_argument("--skip", nargs="+", default=[], help="packages of the extras to leave out")
    parser.add_argument("--bare", nargs="+", default=[], help="of these the packages alone, without what they need")
    parser.add_argument("--command", default="make setup", help="the command that called, for the printed fixes")
    parser.add_argument("--compile-all", action="store_true", help="compile every module, not only those of a run")
    args = parser.parse_args()
    if sys.version_info < NEEDED:
        found = ".".join(map(str, sys.version_info[:3]))
        print(f"error: Python 3.11 or newer is needed, {sys.executable} is {found}", file=sys.stderr)
        print(f"  usual fix:       {args.command} PYTHON=/path/to/a/newer/python3", file=sys.stderr)
        return 1
    python = args.venv / "bin" / "python"
    if args.venv.is_symlink() and not args.venv.exists():
        args.venv.unlink()  # a link to an environment that is gone
    args.venv.mkdir(parents=True, exist_ok=True)
    # an ended connection or terminal may leave an installation behind: two at a time would break the environment
    with (args.venv / "install.lock").open("w") as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"environment: another process installs into {args.venv}; waiting for its end", flush=True)
            fcntl.flock(guard, fcntl.LOCK_EX)
        return install(args, python)


def install(args: argparse.Namespace, python: Path) -> int:
    """Make the environment where there is none, and install into it.

    Args:
        args: the options.
        python: the interpreter of the environment, there or not yet.

    Returns:
        The exit code.
    """
    if not python.exists():
        print(f"environment: {args.venv}, Python {sys.version.split()[0]}", flush=True)
        bare = [] if find_spec("ensurepip") else ["--without-pip"]  # Colab and Debian leave it out
        subprocess.run([sys.executable, "-m", "venv", *bare, str(args.venv)], check=True)
    log = args.venv / "install.log"
    log.write_text("", encoding="utf-8")
    own_pip = get_pip(args.venv)
    pip = [*own_pip, "install", "--disable-pip-version-check", "--no-input", "--no-compile", "--progress-bar", "off"]
    uv = find_uv(python, own_pip)
    jobs = [["--require-hashes", "-r", str(args.lock)]] if args.lock else []
    jobs += [["-e", args.editable]] if args.editable else []
    if args.extras:
        wanted = read_requirements(args.extras, args.alone)
        names = [name.lower() for name in (*args.skip, *args.bare)]
        whole = [one for one in wanted if get_name(one) not in names]
        jobs += [whole] if whole else []
        bare = [one for one in wanted if get_name(one) in [name.lower() for name in args.bare]]
        jobs += [["--no-deps", *bare]] if bare else []
    before = count_packages(args.venv)
    started = time.monotonic()
    for job in jobs:
        code = run([*uv, *job], "packages", log) if uv else 1
        if uv and code:
            print(f"uv ended with {code} (its words are in {log}): pip goes on", flush=True)
            uv = []
        code = run([*pip, *job], "packages", log) if code else 0
        if code:
            return explain(code, log, args.command)
    now = count_packages(args.venv)
    what = f"{now} packages" + (f", {now - before} of them new" if before and now != before else "")
    tool = "uv" if uv else "pip"
    print(f"packages: {what}, {show(time.monotonic() - started)}; {tool}'s output is in {log}", flush=True)
    started = time.monotonic()
    run([str(python), "-W", "ignore", *get_compile_arguments(args.compile_all, args.venv)], "compiling", log)
    print(f"compiled: {show(time.monotonic() - started)}", flush=True)
    return 0


def get_pip(venv: Path) -> list[str]:
    """The command of pip for an environment: its own pip, else the one that belongs to this Python."""
    python = str(venv / "bin" / "python")
    if list(venv.glob("lib/python3*/site-packages/pip")):
        return [python, "-m", "pip"]
    return [sys.executable, "-m", "pip", "--python", python]


def find_uv(python: Path, pip: list[str]) -> list[str]:
    """The command of uv that installs into the environment of ``python``; empty where pip is to do it.

    uv takes the same requirements in a quarter of the time, and does not read pip's settings: where those name package
    sources and none are set for uv, it would install from elsewhere than the person chose.
    """
    program = shutil.which("uv")
    if program is None:
        return []
    if not any(name in os.environ for name in ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE")):
        listed = subprocess.run([*pip, "config", "list"], stdout=subprocess.PIPE, text=True)
        found = sorted({name for name in SOURCES if f".{name}=" in listed.stdout})
        if found:
            print(
                f"pip installs: its settings {', '.join(found)} are not read by uv (set UV_DEFAULT_INDEX to use uv)",
                flush=True,
            )
            return []
    return [program, "pip", "install", "--no-progress", "--python", str(python)]


def get_compile_arguments(everything: bool, venv: Path) -> list[str]:
    """Arguments of Python that compile installed modules: all, on every core, or those that a run imports.

    The rest is compiled at its first import, where Python may write it. All are 350 MB and a minute of a processor;
    some templates in packages are no Python, and warnings are not ours.
    """
    if everything:
        return ["-m", "compileall", "-qq", "-j", "0", str(venv / "lib")]
    code = "import importlib, sys\nfor name in sys.argv[1:]:\n    try:\n        importlib.import_module(name)\n"
    code += "    except ModuleNotFoundError:\n        pass\n"
    return ["-c", code + "    except Exception as error:\n        print(name, repr(error))\n", *OF_A_RUN]


def read_requirements(extras: list[str], alone: bool) -> list[str]:
    """The requirements of extras of pyproject.toml in the working directory, after the project's own."""
    import tomllib

    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = [] if alone else list(project["dependencies"])
    for extra in dict.fromkeys(extras):
        found += project["optional-dependencies"][extra]
    return found


def get_name(requirement: str) -> str:
    """``mlx-lm==0.2; sys_platform == "darwin"`` -> ``mlx-lm``"""
    name = requirement.strip()
    for end in "[=<>!~;( @":
        name = name.split(end)[0]
    return name.strip().lower()


def count_packages(venv: Path) -> int:
    """Packages in an environment."""
    return len(list(venv.glob("lib/python3*/site-packages/*.dist-info")))


def run(command: list[str], what: str, log: Path) -> int:
    """Run a program, append what it prints to ``log``, and show its last line and the time while it works.

    Returns:
        Its exit code.
    """
    last = [""]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiling writes it
    with log.open("a", encoding="utf-8") as sink:
        sink.write("$ {}\n".format(" ".join(command)))
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment
        )

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                sink.write(line)
                last[0] = shorten(line) or last[0]

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            _watch(process, what, last)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        reader.join()
    return process.returncode


def shorten(line: str) -> str:
    """A line of pip for people who wait; empty for what they need not read: warnings, which the log keeps."""
    text = line.strip()
    if text.startswith(("WARNING", "DEPRECATION", "[notice]")):
        return ""
    start, colon, names = text.partition(": ")
    return f"{start}: {names.count(',') + 1}" if colon and start == "Installing collected packages" else text


def _watch(process: subprocess.Popen[str], what: str, last: list[str]) -> None:
    """Show that the program works until it ends: one line that is rewritten, elsewhere a line now and then."""
    started, shown = time.monotonic(), time.monotonic()
    is_live = sys.stdout.isatty()
    while process.poll() is None:
        time.sleep(0.1)
        now = time.monotonic()
        if now - shown < (0.5 if is_live else EVERY):
            continue
        shown = now
        line = f"{what}: {show(now - started)} {last[0]}"
        width = shutil.get_terminal_size((100, 24)).columns - 1
        print(f"\r\033[K{line[:width]}" if is_live else line[:100], end="" if is_live else "\n", flush=True)
    if is_live:
        print("\r\033[K", end="", flush=True)


def show(seconds: float) -> str:
    """``75`` -> ``1 min 15 s``"""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def explain(code: int, log: Path, command: str) -> int:
    """Print pip's own error lines with the usual fix."""
    text = log.read_text(encoding="utf-8", errors="replace")
    errors = [line.strip() for line in text.splitlines() if line.strip().lower().startswith("error")]
    words = " | ".join(errors[-3:])[-600:] or f"pip ended with {code}"
    fix = next((fix for mark, fix in FIXES if mark in text), "run the same command again")
    print(f"error: the packages were not installed: {words}", file=sys.stderr)
    print(f"  usual fix:       {fix}", file=sys.stderr)
    print(f"  less likely fix: see {log}; {command} goes on with what is there", file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
