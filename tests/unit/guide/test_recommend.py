"""The recommendation: base model and profile by machine, languages, purposes, what a person wants, what memory adds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data import glance
from gaslamp.data.meaning import decide
from gaslamp.environment.system import System
from gaslamp.guide.answers import check_data, get_project_name, read_data_answer
from gaslamp.guide.changes import check_change, find_line, read_changes
from gaslamp.guide.dialogue import apply_wanted
from gaslamp.guide.language import detect
from gaslamp.guide.look import look_at_data
from gaslamp.guide.machine_lines import ELSEWHERE, LARGEST, SMALLER
from gaslamp.guide.plan import Plan, Situation
from gaslamp.guide.plugins import get_constant, list_methods
from gaslamp.guide.recommend import recommend
from gaslamp.guide.task import PURPOSES, find_purposes, get_audience, get_domain
from gaslamp.models.catalogue import find_model
from gaslamp.models.checkpoint import count_parameters
from machines import CPU, GPU, MAC
from ten_tasks import TASKS, make_mails, make_receipts, write_jsonl

OFFLINE = "the model hub does not answer from here"


@pytest.fixture(autouse=True)
def no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GASLAMP_HOME", str(tmp_path / "memory"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("GASLAMP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)


def plan_for(name: str, folder: Path, system: System = CPU, offline: str = "", **wanted: str) -> Plan:
    task, make, _ = TASKS[name]
    data = read_data_answer(str(make(folder)))
    return recommend(Situation(task, data, look_at_data(data), system, wanted, offline))


@pytest.mark.parametrize(
    ("system", "offline", "profile", "low", "high"),
    [(CPU, "", "cpu", 0.1, 0.9), (CPU, OFFLINE, "cpu", 0.1, 0.2), (GPU, "", "cuda", 6, 10), (MAC, "", "mac", 3, 10)],
)
def test_the_base_model_is_one_that_this_machine_can_get_and_train(
    tmp_path: Path, system: System, offline: str, profile: str, low: float, high: float
) -> None:
    plan = plan_for("mails", tmp_path, system, offline)
    model = find_model(plan.get("base model").value)
    assert model and low < model.worth / 1e9 < high and not model.gated and model.gguf
    assert plan.get("profile").value == profile and plan.settings["backend"] == profile
    assert "of training" in plan.cost and "nothing to pay" in plan.cost
    assert ("0.3 GB to download" in plan.cost) == bool(offline) and (offline in plan.get("base model").reason)
    assert int(plan.get("tier").value) == (2 if system is not CPU else 1)
    assert [one.title.partition(" (")[0] for one in plan.alternatives] == [SMALLER, ELSEWHERE, LARGEST], "always three"
    smaller, better, largest = plan.alternatives
    if system is CPU:
        assert better.changes["profile"] in ("cuda", "colab") and "Colab" in better.title
        assert bool(largest.changes) == bool(smaller.changes) == (not offline)
        if offline:
            assert "half as large" in smaller.reason and "nothing twice as large" in largest.reason
    else:
        assert smaller.changes["base model"] != plan.get("base model").value
    for one in plan.alternatives:
        known = find_model(one.changes.get("base model", ""))
        assert (known is not None and "GB of memory" in one.reason) or not one.changes


def test_a_profile_of_another_machine_is_planned_for_such_a_machine(tmp_path: Path) -> None:
    """What the way "better, needs a GPU" changes: the project is made here and runs there."""
    for profile, words in (("cuda", "a T4, as Colab has it"), ("mac", "a Mac with 16 GB")):
        plan = plan_for("mails", tmp_path, CPU, "", profile=profile)
        assert words in plan.get("base model").reason and plan.settings["backend"] == profile
        assert "this machine would take cpu" in plan.get("profile").reason


def test_a_machine_elsewhere_is_a_profile_with_what_to_do(tmp_path: Path) -> None:
    plan = plan_for("mails", tmp_path, CPU, OFFLINE, profile="ssh", **{"base model": "Qwen/Qwen3.5-9B"})
    line = plan.get("profile")
    assert line.settings == {"backend": "ssh", "remote.evaluate": "there", "remote.export": "there"}
    assert "remote.host" in line.reason and "make run PROFILE=ssh" in line.reason
    assert "dollars" in plan.cost and plan.alternatives[1].changes == {}, "it is elsewhere already"
    assert "L4" in plan_for("faq", tmp_path, CPU, "", profile="ssh").get("base model").reason


def test_a_mac_is_not_the_place_for_everything(tmp_path: Path) -> None:
    """Colab is suggested above 8 billion parameters, where memory is short, and where vLLM would sample."""
    found = {}
    large, small = "Qwen/Qwen3.5-9B", "Qwen/Qwen3.5-0.8B"
    roomy: System = {**MAC, "unified_memory_gb": 64.0, "memory_gb": 64.0, "memory_available_gb": 60.0}
    for title, name, system, model in (
        ("large", "mails", roomy, large),
        ("short", "faq", MAC, large),
        ("small", "mails", MAC, small),
        ("sampled", "maths", roomy, small),
    ):
        (tmp_path / title).mkdir()
        notes = plan_for(name, tmp_path / title, system, "", **{"base model": model}).notes
        found[title] = next((note for note in notes if "Colab" in note), "")
    assert "more than 8 billion parameters" in found["large"] and "GB of memory" not in found["large"]
    assert "exceeds this Mac" in found["short"] or "is tight on this Mac" in found["short"]
    assert found["small"] == "" and "vLLM" in found["sampled"]


def test_a_full_disk_leaves_the_embedded_model(tmp_path: Path) -> None:
    plan = plan_for("mails", tmp_path, {**GPU, "disk_free_gb": 3.0})
    assert plan.get("base model").value.startswith("embedded:")


def test_an_embedded_set_is_learnt_by_the_embedded_model_on_any_machine(tmp_path: Path) -> None:
    data = read_data_answer("embedded:orders_json")
    for system in (CPU, GPU):
        line = recommend(Situation("orders", data, look_at_data(data), system)).get("base model")
        assert line.value == "embedded:smollm2-135m-instruct" and "without the model hub" in line.reason


def test_pictures_want_a_vision_model_even_where_none_can_be_downloaded(tmp_path: Path) -> None:
    data = read_data_answer(str(make_receipts(tmp_path)))
    for offline in ("", OFFLINE):
        now = Situation("read receipts", data, look_at_data(data), GPU, offline=offline)
        line = recommend(now).get("base model")
        model = find_model(line.value)
        assert model and "vision" in model.abilities and ("has to be downloaded once" in line.reason) == bool(offline)


def test_broken_rows_are_said_with_file_and_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glance, "SECONDS", 90.0)
    rows = [f'{{"question": "How many is {n} + 1?", "answer": "It is {n + 1}."}}' for n in range(30)]
    rows[4], rows[9] = '{"question": "And now?"', '{"question": "Nothing to learn here?"}'
    file = tmp_path / "sums.jsonl"
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    data = read_data_answer(str(file))
    plan = recommend(Situation("answer questions", data, look_at_data(data), CPU, offline=OFFLINE))
    (note,) = [note for note in plan.notes if "would stop the run" in note]
    assert note.startswith("2 of the first 30 rows cannot be learnt")
    assert "sums.jsonl, line 5: not valid JSON" in note and "sums.jsonl, line 10: column 'answer'" in note
    assert not [note for note in plan_for("mails", tmp_path, CPU, OFFLINE).notes if "would stop" in note]


def test_settings_that_a_model_needs_come_with_it(tmp_path: Path) -> None:
    plan = plan_for("mails", tmp_path, CPU, "", **{"base model": "Qwen/Qwen3-4B-Instruct-2507"})
    assert plan.get("base model").fixed and plan.settings["model.source"] == "Qwen/Qwen3-4B-Instruct-2507"
    assert plan.settings["train.gradient_checkpointing"] is True and plan.settings["train.batch_size"] == 1


def test_a_model_that_the_catalogue_lacks_is_planned_by_its_files_or_its_name(tmp_path: Path, tiny_model: Path) -> None:
    plan = plan_for("mails", tmp_path, CPU, OFFLINE, **{"base model": str(tiny_model)})
    parameters = count_parameters(tiny_model) / 1e6
    assert plan.get("base model").reason == (
        f"you chose it; {parameters:.1g}M parameters by its files; fits with room to spare"
    )
    assert "no download" in plan.cost and plan.get("tier").value == "1"
    smaller, _, largest = plan.alternatives
    assert not smaller.changes and largest.changes["base model"].startswith("embedded:")
    plan = plan_for("mails", tmp_path, CPU, "", **{"base model": "someone/house-70b-chat"})
    assert "70.0B parameters by its name; too large for this machine" in plan.get("base model").reason
    plan = plan_for("mails", tmp_path, CPU, "", **{"base model": "someone/no-size"})
    assert plan.get("base model").reason == "you chose it; make run looks at its size before it downloads it"
    assert plan.cost == ""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}")
    with pytest.raises(GaslampError, match=r"has no \*.safetensors weights"):
        check_change(plan.get("base model"), str(broken))


def test_what_a_person_wants_decides_what_follows_from_it(tmp_path: Path) -> None:
    plan = plan_for("thumbs", tmp_path, CPU, OFFLINE, method="sft", language="de")
    assert plan.get("metric").value == "token_f1, chrf, exact_match"
    assert plan.get("demo language").value == "de" and plan.get("method").reason == "you chose it; the rows suggest kto"
    assert "KTO".lower() in plan.get("method").options


def test_the_task_decides_between_meanings(tmp_path: Path) -> None:
    rows = [
        {
            "Subject": f"No {n}",
            "Body": f"My parcel {n} has not come yet",
            "Category": "ab"[n % 2] * 6,
            "Reply": f"Dear {n}, we look for it.",
        }
        for n in range(60)
    ]
    data = read_data_answer(str(write_jsonl(tmp_path / "mails.jsonl", rows)))
    found = {}
    for task in ("answer our mails", "sort our mails", "work on our mails"):
        found[task] = recommend(Situation(task, data, look_at_data(data), CPU, offline=OFFLINE))
    assert found["answer our mails"].settings["data.meaning"] == "answer Reply"
    assert found["sort our mails"].settings["data.meaning"] == "classify Category"
    assert "data.meaning" not in found["work on our mails"].settings
    assert "(open)" in found["work on our mails"].get("columns").value
    now = Situation("work on our mails", data, look_at_data(data), CPU, offline=OFFLINE)
    _, plan = apply_wanted(now, {"1": "2"})
    assert plan.settings["data.meaning"] == plan.get("columns").options[1]


def vary(key: str, cell: str, number: int) -> str:
    """Another cell of the same kind."""
    if key in ("label", "image", "audio"):
        return cell
    if key in ("ground_truth", "json"):
        return cell.replace("42", str(42 + number)).replace("Ana", f"Ana {number}")
    return f"{cell} {number}"


@pytest.mark.parametrize("name", PURPOSES)
def test_the_columns_that_a_project_waits_for_are_understood(name: str) -> None:
    """The example of data/raw/README is read as the kind of rows that the purpose needs."""
    purpose = PURPOSES[name]
    rows = [{key: vary(key, cell, n) for key, cell in purpose.columns.items()} for n in range(8)]
    if "label" in purpose.columns and purpose.rows == "rating":
        rows = [{**row, "label": bool(n % 2)} for n, row in enumerate(rows)]
    meaning = decide(rows)
    assert meaning.reading.rows == purpose.rows


@pytest.mark.parametrize(
    ("task", "purpose", "domain", "audience"),
    [
        (
            "order extraction: turn cafe orders into JSON for the people at the counter",
            "extract",
            "general",
            "the people at the counter",
        ),
        ("Translate patents", "translate", "general", ""),
        ("Beantworte Fragen von Patienten", "answer", "health", ""),
        ("summarize court decisions for our lawyers", "summarize", "legal", "our lawyers"),
        ("find similar tickets", "search", "support", ""),
        ("Rechnungen auslesen für die Buchhaltung", "extract", "finance", "die Buchhaltung"),
        ("read aloud news", "voice", "general", ""),
        ("something else", None, "general", ""),
    ],
)
def test_words_of_the_task(task: str, purpose: str | None, domain: str, audience: str) -> None:
    assert next(iter(find_purposes(task)), None) == purpose
    assert get_domain(task) == domain and get_audience(task) == audience


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The parcel has not come and we want to know where it is", "en"),
        ("Das Paket ist nicht da und wir wollen wissen, wo es ist", "de"),
        ("Le colis n'est pas arrivé et nous voulons savoir où il est", "fr"),
        ("El paquete no ha llegado y queremos saber dónde está", "es"),
        ("包裹还没有到，我们想知道它在哪里，这个问题怎么办", "zh-Hans"),
        ("包裹還沒有到，我們想知道它在哪裡，這個問題怎麼辦", "zh-Hant"),
        ("荷物がまだ届いていません。どこにありますか", "ja"),
        ("Посылка ещё не пришла", "ru"),
        ("Посилка ще не прийшла, і ми її чекаємо", "uk"),
        ("42 x 7", ""),
        ("foo bar baz", ""),
    ],
)
def test_languages(text: str, code: str) -> None:
    assert detect([text]) == code


@pytest.mark.parametrize("name", registry.names("methods"))
def test_what_is_read_of_a_method_without_importing_it_is_what_it_is(name: str) -> None:
    plugin = registry.get("methods", name)
    for constant in ("KINDS", "TITLE", "REASON", "NEEDS", "ARTEFACT", "DEFAULT_METRICS", "MULTIMODAL"):
        if (found := get_constant("methods", name, constant)) is not None:
            assert found == getattr(plugin, constant), constant
    assert get_constant("methods", name, "KINDS") == plugin.KINDS
    assert get_constant("methods", name, "DEFAULT_METRICS", ()) == getattr(plugin, "DEFAULT_METRICS", ())
    assert get_constant("methods", name, "MULTIMODAL", False) == getattr(plugin, "MULTIMODAL", False)


def test_methods_that_can_learn_from_rows() -> None:
    assert "sft" in list_methods("conversation") and "dpo" not in list_methods("conversation")
    assert list_methods("pair") == ["embedding"] and list_methods("images") == ["vision_sft"]


@pytest.mark.parametrize(
    ("change", "value", "message"),
    [
        ("method=sftt", "", "method cannot be sftt"),
        ("nope=1", "", "the plan has no line 'nope'"),
        ("train.max_steps=6", "", "train.max_steps is no line of the plan: it reads like a key of config.yaml"),
        ("99", "", "the plan has no line '99'"),
        ("metric=rouge, chfr", "", "metric cannot be chfr"),
        ("language=Klingon", "", "no language that is known"),
        ("base model=embedded:gpt", "", "no embedded model 'gpt'"),
        ("base model=./nowhere", "", "is no base model"),
        ("tier=3", "", "the tier follows from the base model"),
        ("max_length=0", "", "max_length cannot be 0"),
        ("metric=rouge,chrf", "rouge, chrf", ""),
        ("max length=512", "512", ""),
        ("language=german", "de", ""),
        ("base=org/some-model", "org/some-model", ""),
        ("theme=legal", "legal", ""),
    ],
)
def test_a_change_is_checked_at_once(tmp_path: Path, change: str, value: str, message: str) -> None:
    make_mails(tmp_path)
    data = read_data_answer(str(tmp_path / "mails.csv"))
    plan = recommend(Situation("sort mails", data, look_at_data(data), CPU, offline=OFFLINE))
    name, found, wanted = change.partition("=")
    if message:
        with pytest.raises(GaslampError, match=message):
            check_change(find_line(name, plan), wanted)
    else:
        assert check_change(find_line(name, plan), wanted) == value
    assert read_changes("method=dpo; max_length: 5\n") == {"method": "dpo", "max_length": "5"}


def test_the_memory_is_a_line_of_the_plan(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    recipe = {
        "kind": "skills",
        "candidate_id": "cafe:section_6:1a2b3c4d",
        "title": "small batches",
        "body": "b",
        "date": "2026-11-20",
        "source": {"project": "cafe", "run": "main"},
        "when": "task=sft AND hardware=cpu",
        "settings": {"train.batch_size": 1},
    }
    (tmp_path / "memory" / "skills.json").write_text(json.dumps({"entries": [recipe]}))
    plan = plan_for("mails", tmp_path, CPU, OFFLINE)
    assert plan.lines[-1].name == "memory" and plan.lines[-1].value == "train.batch_size = 1"
    reason = plan.get("memory").reason
    assert reason == "cafe, run main: b; instead of the default; make memory UNDO=1a2b3c4d takes it back"
    off = plan_for("thumbs", tmp_path, CPU, OFFLINE, memory="off", method="sft")
    assert off.get("memory").value == "off"
    assert "memory" not in [line.name for line in plan_for("faq", tmp_path, CPU, OFFLINE).lines], "it is of sft"


def test_the_figures_are_those_with_what_the_memory_changes(tmp_path: Path) -> None:
    """Checkpointing takes 1.3 times as long: the plan, and `make plan` of the project, count it."""
    (tmp_path / "memory").mkdir()
    recipe = {
        "kind": "skills",
        "candidate_id": "cafe:section_7:1a2b3c4d",
        "title": "it ran out of memory",
        "body": "b",
        "date": "2026-11-20",
        "when": "task=sft",
        "settings": {"train.gradient_checkpointing": True, "train.batch_size": 1, "train.lora.r": 8},
    }
    (tmp_path / "memory" / "skills.json").write_text(json.dumps({"entries": [recipe]}))
    for folder in ("on", "off"):
        (tmp_path / folder).mkdir()
    plain = plan_for("medical", tmp_path / "off", CPU, "", memory="off")
    taught = plan_for("medical", tmp_path / "on", CPU, "")
    assert taught.get("memory").reason.count("the default") == 1
    minutes = [int(plan.cost.split("about ")[1].split(" min")[0]) for plan in (plain, taught)]
    assert minutes[1] == pytest.approx(1.3 * minutes[0], abs=1.3)
    memory = [float(plan.cost.split(", ")[1].split(" GB")[0]) for plan in (plain, taught)]
    assert memory[1] < memory[0], "one row a pass, with checkpointing"


def test_what_earlier_projects_found_is_said_where_no_setting_changes(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    lesson = {
        "kind": "lessons",
        "candidate_id": "cafe:section_8:1a2b3c4d",
        "title": "smollm2-135m-instruct: task learnt, general knowledge lost",
        "body": "general questions 55 % to 2.5 %",
        "date": "2026-11-20",
        "source": {"project": "cafe", "run": "main"},
        "when": "task=sft AND model=smollm2-135m-instruct",
    }
    others = [{**lesson, "when": "task=dpo"}, {**lesson, "when": "nonsense=1"}, {**lesson, "when": None}]
    (tmp_path / "memory" / "lessons.json").write_text(json.dumps({"entries": [lesson, *others]}))
    line = plan_for("mails", tmp_path, CPU, OFFLINE).get("memory")
    assert line.value == "changes no setting" and not line.settings
    assert line.reason == f"{lesson['title']}: general questions 55 % to 2.5 % (cafe, run main)"


@pytest.mark.parametrize(
    ("answer", "kind", "source"),
    [
        ("embedded:orders_json", "embedded", "embedded:orders_json"),
        ("hub:owner/name", "hub", "owner/name"),
        ("owner/name", "hub", "owner/name"),
        ("https://huggingface.co/datasets/owner/name/", "hub", "owner/name"),
        ("None yet", "none", "data/raw"),
        ("'my rows.csv'", "file", "data/raw/my_rows.csv"),
        ("sub/rows.csv", "file", "data/raw/rows.csv"),
    ],
)
def test_where_the_data_is(tmp_path: Path, answer: str, kind: str, source: str) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("my rows.csv", "sub/rows.csv"):
        (tmp_path / name).write_text("text,label\na,b\n")
    data = read_data_answer(answer, tmp_path)
    check_data(data)
    assert (data.kind, data.source) == (kind, source)


def test_a_file_that_is_called_none_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "none").write_text("text,label\na,b\n")
    assert read_data_answer("none", tmp_path).kind == "file"


def test_project_names() -> None:
    assert get_project_name("Sorter: sort mails") == "sorter" and get_project_name("!!!") == ""
    assert len(get_project_name("word " * 40)) <= 40
    task = "Sort the mails of our customers into categories, for the support team"
    assert get_project_name(task) == "sort_the_mails_of_our_customers", (
        "a cut name ends with a word that says something"
    )
    assert get_project_name("Übersetze Produkttexte aus dem Englischen") == "übersetze_produkttexte"
