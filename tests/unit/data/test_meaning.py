"""What columns mean: common headers in nine languages with realistic cells, and what is shown when it is open."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import tiny
import yaml
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data import rows as row_kinds
from gaslamp.data.judgements import convert_kept
from gaslamp.data.meaning import Meaning, decide
from gaslamp.data.meaning.examples import check_certain
from gaslamp.data.meaning.names import get_hint, normalize
from gaslamp.data.meaning.published import apply_columns
from gaslamp.data.meaning.readings import get_first_method, get_mapped_columns
from meaning_cells import make_rows

CASES = tiny.ROOT / "tests" / "data_cases"
HEADERS = dict(line.split("\t") for line in (CASES / "headers.tsv").read_text(encoding="utf-8").splitlines()[1:])
Rows = list[dict[str, Any]]

# header -> (method, the column that is written or the roles that matter); "ask": shown with examples instead
WANTED: dict[str, tuple[str, dict[str, Any]]] = {
    "Frage,Antwort": ("sft", {"prompt": "Frage", "completion": "Antwort"}),
    "Message,Class": ("sft", {"prompt": "Message", "completion": "Class"}),
    "article,summary": ("sft", {"prompt": "article", "completion": "summary"}),
    "code,docstring": ("sft", {"prompt": "code", "completion": "docstring"}),
    "context,question,answer": ("sft", {"context": "context", "prompt": "question", "completion": "answer"}),
    "document,question,answers": ("sft", {"context": "document", "prompt": "question", "completion": "answers"}),
    "email,category": ("sft", {"prompt": "email", "completion": "category"}),
    "en,de": ("sft", {"prompt": "en", "completion": "de"}),
    "english,german": ("sft", {"prompt": "english", "completion": "german"}),
    "file_name,text": ("vision_sft", {"images": "file_name", "answer": "text"}),
    "filename,caption": ("vision_sft", {"images": "filename", "answer": "caption"}),
    "image,json": ("vision_sft", {"images": "image", "answer": "json"}),
    "input,output": ("sft", {"prompt": "input", "completion": "output"}),
    "instruction,response": ("sft", {"instruction": "instruction", "output": "response"}),
    "notes": ("cpt", {"text": "notes"}),
    "path,label": ("vision_sft", {"images": "path", "answer": "label"}),
    "problem,answer,solution": ("ask", {}),
    "problem,solution": ("sft", {"prompt": "problem", "completion": "solution"}),
    "prompt,chosen,rejected": ("dpo", {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}),
    "prompt,response": ("sft", {"prompt": "prompt", "completion": "response"}),
    "prompt,response,score": (
        "kto",
        {"prompt": "prompt", "completion": "response", "label": "score", "threshold": "4"},
    ),
    "prompt,response_a,response_b,winner": ("dpo", {"first": "response_a", "second": "response_b", "winner": "winner"}),
    "query,positive,negative": ("embedding", {"anchor": "query", "positive": "positive", "negative": "negative"}),
    "query,response": ("sft", {"prompt": "query", "completion": "response"}),
    "question,answer": ("sft", {"prompt": "question", "completion": "answer"}),
    "question,answer,feedback": ("kto", {"prompt": "question", "completion": "answer", "label": "feedback"}),
    "question,answer,rating": ("kto", {"prompt": "question", "completion": "answer", "label": "rating"}),
    "question,final_answer": ("grpo", {"prompt": "question", "answer": "final_answer"}),
    "question,ground_truth": ("grpo", {"prompt": "question", "answer": "ground_truth"}),
    "review,sentiment": ("sft", {"prompt": "review", "completion": "sentiment"}),
    "sentence,entities": ("sft", {"prompt": "sentence", "completion": "entities"}),
    "sentence1,sentence2,score": ("embedding", {"anchor": "sentence1", "positive": "sentence2", "score": "score"}),
    "source,target": ("sft", {"prompt": "source", "completion": "target"}),
    "text,label": ("sft", {"prompt": "text", "completion": "label"}),
    "ticket,department": ("sft", {"prompt": "ticket", "completion": "department"}),
    "title,body,tag": ("sft", {"prompt": ["title", "body"], "completion": "tag"}),
    "transcript,notes": ("sft", {"prompt": "transcript", "completion": "notes"}),
    "user,assistant": ("sft", {"prompt": "user", "completion": "assistant"}),
    "utterance,intent": ("sft", {"prompt": "utterance", "completion": "intent"}),
}

# the same kinds of files with headers in other languages: inputs > output, or the method and all roles in their order
FOREIGN = """
de: Betreff+Nachricht>Kategorie Betreff+Text>Antwort Artikel>Zusammenfassung Rezension>Stimmung Nachricht>Absicht
Deutsch>Englisch
de: Ticket>Abteilung Frage>Antwort Kundenanfrage>Antwort Satz>Übersetzung Beschwerde>Dringlichkeit
es: Asunto+Mensaje>Categoría Pregunta>Respuesta Artículo>Resumen Reseña>Sentimiento español>inglés Texto>Etiqueta
Título+Cuerpo>Etiqueta
es: Mensaje>Intención Correo>Departamento
fr: Objet+Corps>Catégorie Question>Réponse Article>Résumé Avis>Sentiment français>anglais Texte>Étiquette
Message>Intention
fr: Courriel>Service Titre+Texte>Catégorie
zh: 主题+正文>类别 问题>答案 文章>摘要 评论>情感 中文>英文 文本>标签 用户问题>客服回复 工单>部门 标题+内容>分类
it: Domanda>Risposta Testo>Etichetta
pt: Pergunta>Resposta Mensagem>Categoria
nl: Vraag>Antwoord Bericht>Categorie
ja: 質問>回答 レビュー>感情
"""
PAIRS = [
    (language, case)
    for line in FOREIGN.strip().splitlines()
    for language, _, cases in [line.partition(": ")]
    for case in cases.split()
]

FURTHER: dict[str, tuple[str, dict[str, Any]]] = {
    "Betreff,Nachricht,Bewertung,Antwort": ("kto", {"prompt": ["Betreff", "Nachricht"], "completion": "Antwort"}),
    "Anfrage,Antwort,Bewertung": ("kto", {"prompt": "Anfrage", "completion": "Antwort", "label": "Bewertung"}),
    "Anfrage,bevorzugt,abgelehnt": ("dpo", {"prompt": "Anfrage", "chosen": "bevorzugt", "rejected": "abgelehnt"}),
    "Bild,Bildunterschrift": ("vision_sft", {"images": "Bild", "answer": "Bildunterschrift"}),
    "imagen,descripción": ("vision_sft", {"images": "imagen", "answer": "descripción"}),
    "Consigne,Entrée,Sortie": ("sft", {"instruction": "Consigne", "input": "Entrée", "output": "Sortie"}),
    "上下文,问题,答案": ("sft", {"context": "上下文", "prompt": "问题", "completion": "答案"}),
    "问题,回答,评分": ("kto", {"prompt": "问题", "completion": "回答", "label": "评分"}),
    "Subject,Body,Reply": ("sft", {"prompt": ["Subject", "Body"], "completion": "Reply"}),
    "Date,From,Subject,Body,Category": ("sft", {"prompt": ["Subject", "Body"], "completion": "Category"}),
    "Subject,Body,Category,Priority": ("ask", {}),
    "Subject,Body,Category,Reply": ("ask", {}),
    "id,created_at,message,agent_reply": ("sft", {"prompt": "message", "completion": "agent_reply"}),
    "question,cot,answer": ("sft", {"prompt": "question", "reasoning": "cot", "completion": "answer"}),
    "product_name,review_text,stars": ("sft", {"prompt": "review_text", "completion": "stars"}),
    "question,schema,sql": ("sft", {"context": "schema", "prompt": "question", "completion": "sql"}),
    "question,A,B,C,D,answer": ("sft", {"prompt": "question", "choices": ["A", "B", "C", "D"], "completion": "answer"}),
    "id,url,title,text": ("cpt", {"text": "text"}),
    "text,timestamp,url": ("cpt", {"text": "text"}),
    "instruction,input,output": ("sft", {"instruction": "instruction", "input": "input", "output": "output"}),
    "abstract,title": ("ask", {}),
    "Produkt,Bewertungstext,Sterne": ("ask", {}),
    "source_text,target_text": ("sft", {"prompt": "source_text", "completion": "target_text"}),
    "Frage,Antwort A,Antwort B,Gewinner": ("dpo", {"prompt": "Frage", "first": "Antwort A", "second": "Antwort B"}),
    "col1,col2": ("ask", {}),
}


def check_meaning(header: str, method: str, roles: dict[str, Any]) -> None:
    """The meaning of a header, or that its readings are shown and can be picked."""
    rows = make_rows(header.split(","))
    meaning = decide(rows)
    if method == "ask":
        assert not meaning.certain and len(meaning.readings) > 1
        check_fixes(rows, meaning)
        return
    if method == "kto":  # stars and verdicts choose rows as often as they are learnt from
        assert not meaning.certain and [one.key for one in meaning.readings[:3]] == ["good", "all", "rate"]
        assert roles.items() <= meaning.readings[2].mapping.items() and meaning.readings[2].format == method
        return
    assert meaning.certain, [(reading.key, reading.score) for reading in meaning.readings]
    assert meaning.method == method
    assert roles.items() <= meaning.reading.mapping.items()
    check_examples(rows, meaning)


def check_examples(rows: Rows, meaning: Meaning) -> None:
    """Every row converts, and the texts of all mapped columns stand in what is learnt."""
    reading = meaning.reading
    plugin = registry.get("formats", reading.format)
    made = plugin.convert(rows[0], reading.mapping)
    assert row_kinds.get_kind(made) == reading.kind
    text = json.dumps(made, ensure_ascii=False)
    if reading.format == "prompt_completion":
        for column in get_mapped_columns(reading.mapping):
            assert json.dumps(str(rows[0][column]), ensure_ascii=False)[1:-1] in text


def check_fixes(rows: Rows, meaning: Meaning, kinds: tuple[str, ...] = ()) -> None:
    """Each printed reading can be picked by its number, its key, and its data.columns line; all give the same rows."""
    with pytest.raises(GaslampError) as caught:
        check_certain(meaning, rows, kinds)
    shown = caught.value.cause
    for number, reading in enumerate(meaning.readings[:3], 1):
        assert f"{number}  {reading.key}: " in shown and f"data.columns: {reading.line}" in shown
        assert decide(rows, kinds=kinds, pick=number).reading == reading
        assert decide(rows, kinds=kinds, pick=reading.key).reading == reading
        columns = yaml.safe_load(reading.line)
        own = decide(rows, columns=columns, kinds=(reading.kind,)).reading
        assert (own.format, own.mapping) == (reading.format, reading.mapping)


def test_the_table_has_every_header() -> None:
    assert set(WANTED) == set(HEADERS) and len(HEADERS) == 39


@pytest.mark.parametrize("header", WANTED)
def test_common_headers(header: str) -> None:
    check_meaning(header, *WANTED[header])


@pytest.mark.parametrize("header", FURTHER)
def test_further_headers(header: str) -> None:
    check_meaning(header, *FURTHER[header])


@pytest.mark.parametrize(("language", "case"), PAIRS, ids=[f"{language} {case}" for language, case in PAIRS])
def test_headers_in_other_languages(language: str, case: str) -> None:
    inputs, output = case.split(">")
    sources = inputs.split("+")
    check_meaning(
        ",".join([*sources, output]),
        "sft",
        {"prompt": sources if len(sources) > 1 else sources[0], "completion": output},
    )


def test_eight_headers_of_each_language() -> None:
    counts = Counter(language for language, _ in PAIRS)
    assert all(counts[language] >= 8 for language in ("de", "es", "fr", "zh"))


@pytest.mark.parametrize("header", ["prompt,response,score", "question,answer,rating", "Frage,Antwort,Bewertung"])
def test_rated_answers_ask_a_method_that_learns_every_answer(header: str) -> None:
    rows = make_rows(header.split(","))
    meaning = decide(rows, kinds=("conversation",))
    assert [reading.key for reading in meaning.readings] == ["good", "all", "rate"]
    check_fixes(rows, meaning, ("conversation",))
    plugin = registry.get("formats", "prompt_completion")
    label = header.split(",")[2]
    kept = 0
    for row in rows:
        try:
            convert_kept(plugin.convert, row, meaning.reading.mapping)
            kept += 1
            assert row[label] >= 4
        except row_kinds.LeftOut as reason:
            assert row[label] < 4 and "below 4" in str(reason)
    assert 0 < kept < len(rows)


# ------------------------------------------------------------------------------------------------------------- cells


def make_mails(count: int = 80) -> Rows:
    """Support mails whose headers say nothing: the cells have to."""
    source = random.Random(7)
    labels = ("billing", "delivery", "returns", "technical")
    return [
        {
            "col1": f"Hello, order {n} is {source.choice(['late', 'broken', 'wrong', 'unpaid'])} and I need "
            "help with it.",
            "col2": labels[n % 4],
        }
        for n in range(count)
    ]


def test_few_short_values_that_come_again_are_labels_whatever_the_header() -> None:
    meaning = decide(make_mails())
    assert meaning.certain and meaning.reading.mapping == {"prompt": "col1", "completion": "col2"}
    assert "'col2' has 4 different values" in meaning.reading.reason


def test_a_column_that_asks_is_the_input_whatever_the_header() -> None:
    rows = [{"x": f"It takes {n} days to arrive.", "y": f"How long does parcel {n} take?"} for n in range(40)]
    meaning = decide(rows)
    assert meaning.certain and meaning.reading.mapping == {"prompt": "y", "completion": "x"}


def test_a_name_that_only_ends_like_a_fact_about_the_row_is_no_reason_to_drop_its_text() -> None:
    rows = [
        {"natural_language": f"list all the files of folder {n} by size", "bash_command": f"ls -S /srv/{n} | sort -n"}
        for n in range(30)
    ]
    meaning = decide(rows)
    assert not meaning.certain or set(meaning.reading.columns) == set(rows[0])
    assert "natural_language" in [*meaning.reading.columns, *meaning.lost]


def test_file_names_are_images_only_where_they_end_like_images() -> None:
    rows = [{"file_name": f"report {n}", "text": f"The report of day {n} is long."} for n in range(20)]
    assert decide(rows).reading.format != "vision"


def test_columns_without_information_are_no_loss() -> None:
    rows = [
        {
            "id": n,
            "url": f"https://example.org/{n}",
            "day": f"2025-01-{n % 28 + 1:02}",
            "shop": "one",
            "mail": f"a{n}@b.org",
            "question": f"What is {n}?",
            "answer": f"It is {n}.",
        }
        for n in range(30)
    ]
    meaning = decide(rows)
    assert meaning.certain and meaning.lost == []
    assert [column.name for column in meaning.unused] == ["id", "url", "day", "shop", "mail"]
    for row in rows:
        row["explanation_of_it"] = f"Because {row['id']} comes after {row['id'] - 1}, as everybody knows."
    assert decide(rows).lost == ["explanation_of_it"]


def test_a_lost_column_is_named_with_its_reading() -> None:
    rows = make_rows(["Subject", "Body", "Category", "Reply"])
    with pytest.raises(GaslampError) as caught:
        check_certain(decide(rows), rows)
    assert "leaves out Category, which holds information" in caught.value.cause
    assert "leaves out Reply, which holds information" in caught.value.cause
    assert "Subject: " in caught.value.cause and 'completion: "Subject"' not in caught.value.cause


def test_a_pick_that_is_none_names_the_readings() -> None:
    with pytest.raises(
        GaslampError, match=r"data.meaning is 9, but the columns can mean: 1 \(answer Reply\), 2 \(classify Category\)"
    ):
        decide(make_rows(["Subject", "Body", "Category", "Reply"]), pick=9)


def test_several_columns_are_joined_with_their_names() -> None:
    rows = make_rows(["Subject", "Body", "Category"])
    reading = decide(rows).reading
    plugin = registry.get("formats", reading.format)
    sources, answer = plugin.convert(rows[0], reading.mapping)["messages"]
    assert sources["content"] == f"Subject: {rows[0]['Subject']}\nBody: {rows[0]['Body']}"
    assert answer["content"] == rows[0]["Category"]
    empty = plugin.convert({**rows[0], "Subject": None}, reading.mapping)["messages"][0]["content"]
    assert empty == f"Body: {rows[0]['Body']}"
    with pytest.raises(ValueError, match="columns Subject, Body are empty"):
        plugin.convert({**rows[0], "Subject": "", "Body": " "}, reading.mapping)


def test_a_list_of_columns_goes_to_roles_that_take_one() -> None:
    rows = make_rows(["Subject", "Body", "Category"])
    with pytest.raises(GaslampError, match="no format has all of them"):
        apply_columns(rows, list(rows[0]), "auto", {"prompt": "Subject", "completion": ["Body", "Category"]}, ())


def test_names_are_read_whatever_their_case_accents_and_compounds() -> None:
    assert normalize("Customer Message") == normalize("customerMessage") == "customer_message"
    hints = {
        name: get_hint(name) for name in ("Étiquette", "Kundenanfrage", "ticket_text", "用户问题", "created_at", "xyz")
    }
    assert {name: hint and hint.concept for name, hint in hints.items()} == {
        "Étiquette": "label",
        "Kundenanfrage": "question",
        "ticket_text": "text",
        "用户问题": "question",
        "created_at": "meta",
        "xyz": None,
    }


def test_every_kind_of_row_has_a_method_to_start_with() -> None:
    for rows in (*row_kinds.KINDS, "images"):
        kinds = registry.get("methods", get_first_method(rows)).KINDS
        assert ("conversation" if rows == "images" else rows) in kinds
    with pytest.raises(LookupError, match="no method is the first one for other rows"):
        get_first_method("other")


# ------------------------------------------------------------------------------------------------- published files


def read_case(name: str) -> Rows:
    """The rows of a file in tests/data_cases."""
    return [json.loads(line) for line in (CASES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def convert_case(name: str, kinds: tuple[str, ...] = ()) -> list[Any]:
    """The rows of a case as they are learnt; its meaning has to be certain."""
    rows = read_case(name)
    meaning = decide(rows, kinds=kinds)
    check_certain(meaning, rows, kinds)
    plugin = registry.get("formats", meaning.reading.format)
    return [row_kinds.adapt(plugin.convert(row, meaning.reading.mapping), meaning.reading.kind) for row in rows]


def get_texts(messages: list[dict[str, Any]]) -> list[str]:
    return [message["content"] for message in messages]


def test_choices_stand_below_the_question() -> None:
    source, made = read_case("mmlu-choices")[1], convert_case("mmlu-choices")[1]
    letters = [f"{letter}. {text}" for letter, text in zip("ABCD", source["choices"], strict=True)]
    assert get_texts(made["messages"]) == [source["question"] + "\n\n" + "\n".join(letters), letters[source["answer"]]]
    meaning = decide(read_case("axolotl-explainchoice"))
    assert not meaning.certain
    assert [reading.key for reading in meaning.readings] == ["answer and explanation", "answer", "explanation"]


def test_an_answer_inside_squads_object_is_trained_as_text() -> None:
    source, made = read_case("squad-answers")[0], convert_case("squad-answers")[0]
    assert get_texts(made["messages"]) == [f"{source['context']}\n\n{source['question']}", source["answers"]["text"][0]]
    plugin = registry.get("formats", "prompt_completion")
    with pytest.raises(row_kinds.LeftOut):
        plugin.convert({"q": "q", "a": {"text": [], "answer_start": []}}, {"prompt": "q", "completion": "a"})


def test_reasoning_and_history_are_trained() -> None:
    source, made = read_case("cot-column")[0], convert_case("cot-column")[0]
    assert made["messages"][1]["content"] == f"<think>\n{source['Complex_CoT']}\n</think>\n\n{source['Response']}"
    source, made = read_case("query-response-history")[0], convert_case("query-response-history")[0]
    (question, answer), *_ = source["history"]
    assert get_texts(made["messages"]) == [source["system"], question, answer, source["query"], source["response"]]


def test_labels_say_which_answer_is_better() -> None:
    for kinds in ((), ("preference",)):
        for source, made in zip(read_case("shp-labels"), convert_case("shp-labels", kinds), strict=True):
            better, worse = ("A", "B") if source["labels"] == 1 else ("B", "A")
            assert get_texts(made["chosen"]) == [source[f"human_ref_{better}"]]
            assert get_texts(made["rejected"]) == [source[f"human_ref_{worse}"]]


def test_the_loser_of_an_arena_is_never_trained() -> None:
    rows = read_case("arena-pairs")
    reading = decide(rows, kinds=("conversation",)).reading
    plugin = registry.get("formats", "compared")
    assert reading.format == "compared"
    with pytest.raises(ValueError, match="do not begin with the same prompt"):
        plugin.convert(rows[0], reading.mapping)
    shared = {**rows[0], "conversation_b": [rows[0]["conversation_a"][0], rows[0]["conversation_b"][1]]}
    made = plugin.convert(shared, reading.mapping)
    assert made["chosen"] == [rows[0]["conversation_b"][1]] and made["prompt"] == [rows[0]["conversation_a"][0]]
    for tie in ("tie", "tie (bothbad)"):
        with pytest.raises(row_kinds.LeftOut):
            plugin.convert({**shared, "winner": tie}, reading.mapping)


COMPARED: list[tuple[str, dict[str, Any], str]] = [
    ("winner by letter", {"prompt": "q", "response_a": "1", "response_b": "2", "winner": "B"}, "2"),
    ("winner by column", {"prompt": "q", "answer_1": "x", "answer_2": "y", "preference": "answer_1"}, "x"),
    (
        "PKU",
        {"prompt": "q", "response_0": "x", "response_1": "y", "better_response_id": 1, "safer_response_id": 1},
        "y",
    ),
    ("HelpSteer", {"prompt": "q", "response_1": "x", "response_2": "y", "preference_strength": -2}, "x"),
    (
        "WebGPT",
        {"question": {"full_text": "q"}, "answer_0": "x", "answer_1": "y", "score_0": -1.0, "score_1": 1.0},
        "y",
    ),
    (
        "lmsys flags",
        {
            "prompt": "q",
            "response_a": "x",
            "response_b": "y",
            "winner_model_a": 1,
            "winner_model_b": 0,
            "winner_tie": 0,
        },
        "x",
    ),
    (
        "model names",
        {"prompt": "q", "model_a": "gpt", "model_b": "llama", "response_a": "x", "response_b": "y", "winner": "llama"},
        "y",
    ),
]


@pytest.mark.parametrize(("row", "better"), [case[1:] for case in COMPARED], ids=[case[0] for case in COMPARED])
def test_what_says_which_answer_is_better(row: dict[str, Any], better: str) -> None:
    meaning = decide([row])
    assert meaning.certain and meaning.method == "dpo"
    made = registry.get("formats", meaning.reading.format).convert(row, meaning.reading.mapping)
    assert get_texts(made["prompt"]) == ["q"] and get_texts(made["chosen"]) == [better] != get_texts(made["rejected"])


CHOICES: list[tuple[str, dict[str, Any], str]] = [
    ("ARC", {"question": "q", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "2"}, "2. y"),
    ("HellaSwag", {"ctx": "q", "endings": ["x", "y"], "label": "1"}, "B. y"),
    ("the text", {"question": "q", "options": ["x y", "z"], "answer": "x y"}, "A. x y"),
    ("a column each", {"question": "q", "option_a": "x", "option_b": "y", "correct": "a"}, "A. x"),
    ("JSON in a table", {"question": "q", "choices": '["x", "y"]', "answer": "B"}, "B. y"),
]


@pytest.mark.parametrize(("row", "answer"), [case[1:] for case in CHOICES], ids=[case[0] for case in CHOICES])
def test_shapes_of_choices(row: dict[str, Any], answer: str) -> None:
    meaning = decide([row], kinds=("conversation",))
    made = registry.get("formats", "choices").convert(row, meaning.reading.mapping)
    assert meaning.reading.format == "choices" and made["messages"][1]["content"] == answer


def test_an_answer_that_is_none_of_the_choices_is_an_error_of_its_row() -> None:
    plugin = registry.get("formats", "choices")
    mapping = {"prompt": "q", "choices": "c", "completion": "a"}
    with pytest.raises(ValueError, match="column 'a' is 7, which is none of the 2 choices"):
        plugin.convert({"q": "q", "c": ["x", "y"], "a": 7}, mapping)
    with pytest.raises(row_kinds.LeftOut):
        plugin.convert({"q": "q", "c": ["x", "y"], "a": -1}, mapping)


@pytest.mark.parametrize(
    ("name", "message"),
    [("openai-batch-output", "answers of a batch without"), ("openai-batch-input", "requests of a batch without")],
)
def test_rows_that_are_no_examples_are_refused_by_name(name: str, message: str) -> None:
    with pytest.raises(GaslampError, match=message):
        decide(read_case(name))


def test_the_mask_of_the_page_is_that_of_dpo(tiny_model: Path) -> None:
    """Earlier answers of a prompt carry no loss, in training and on the page alike."""
    from gaslamp.data.encode import split_row
    from gaslamp.models.template import Renderer, build_template
    from gaslamp.train.preference import encode_answer

    rows = convert_case("dpo-page-colours")
    row = rows[0]
    renderer = Renderer.load(str(tiny_model), build_template(str(tiny_model), [*row["prompt"], *row["chosen"]]))
    for side, pieces in zip(("chosen", "rejected"), split_row(renderer, row), strict=True):
        found = encode_answer(renderer, row["prompt"], row[side])
        prompt, answer = found.prompt_ids, found.ids
        learnt = renderer.encode_pieces([pieces])[0]
        assert sum(learnt.trained) == len(answer) and learnt.ids == prompt + answer
        assert not any(learnt.trained[: len(prompt)])


@pytest.mark.parametrize(
    ("question", "good", "bad"),
    [
        ("question", "good answer", "bad answer"),
        ("Frage", "gute Antwort", "schlechte Antwort"),
        ("pregunta", "respuesta buena", "respuesta mala"),
        ("question", "bonne r\u00e9ponse", "mauvaise r\u00e9ponse"),
        ("domanda", "risposta corretta", "risposta sbagliata"),
        ("pergunta", "resposta boa", "resposta ruim"),
        ("vraag", "goede antwoord", "slechte antwoord"),
        ("\u95ee\u9898", "\u597d\u56de\u7b54", "\u574f\u56de\u7b54"),
        ("\u8cea\u554f", "\u826f\u3044\u56de\u7b54", "\u60aa\u3044\u56de\u7b54"),
        ("\uc9c8\ubb38", "\uc88b\uc740 \ub2f5\ubcc0", "\ub098\uc05c \ub2f5\ubcc0"),
        (
            "\u0432\u043e\u043f\u0440\u043e\u0441",
            "\u0445\u043e\u0440\u043e\u0448\u0438\u0439 \u043e\u0442\u0432\u0435\u0442",
            "\u043f\u043b\u043e\u0445\u043e\u0439 \u043e\u0442\u0432\u0435\u0442",
        ),
        ("pytanie", "dobra odpowied\u017a", "z\u0142a odpowied\u017a"),
        ("soru", "iyi cevap", "k\u00f6t\u00fc cevap"),
    ],
)
def test_a_good_and_a_bad_answer_are_a_preference(question: str, good: str, bad: str) -> None:
    """The first reading taught the bad answer."""
    for first, second in ((good, bad), (bad, good)):
        rows = [{question: f"Where is hall {n}?", first: f"{first} {n}", second: f"{second} {n}"} for n in range(12)]
        meaning = decide(rows, kinds=("conversation",))
        assert meaning.certain and meaning.reading.mapping == {"prompt": question, "chosen": good, "rejected": bad}
    alone = [{question: f"Where is hall {n}?", good: f"It is number {n}"} for n in range(12)]
    assert decide(alone, kinds=("conversation",)).reading.mapping == {"prompt": question, "completion": good}
