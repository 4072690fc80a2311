"""Pages are one file each: text is escaped, only our own script and style may run, files travel inside."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import jinja2
import pytest
from gaslamp.pages.html import embed_file, escape_json, get_base_style, get_csp_hash, render_template
from gaslamp.pages.links import get_links

HOSTILE = "<script>alert(1)</script>\u2028&\"'"


def test_facts_are_escaped_and_the_policy_names_style_and_script(tmp_path: Path) -> None:
    template = tmp_path / "page.html.j2"
    template.write_text("<style>{{ style }}</style>{{ style_hash }} {{ script_hash }}<p>{{ text }}</p>")
    page = render_template(template, "a>b{}", "1<2", text=HOSTILE)
    style = get_base_style() + "a>b{}"  # the page's own rules come after the shared ones, so they win
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"<style>{style}</style>sha256-{digest} {get_csp_hash('1<2')}" in page
    assert "<p>&lt;script&gt;alert(1)&lt;/script&gt;" in page and "<script>" not in page


def test_a_missing_name_is_an_error(tmp_path: Path) -> None:
    template = tmp_path / "page.html.j2"
    template.write_text("{{ text }}")
    with pytest.raises(jinja2.UndefinedError, match="text"):
        render_template(template, "")


def test_json_for_scripts_holds_no_markup() -> None:
    text = escape_json({"a": HOSTILE})
    assert not set(text) & set("<>&\u2028\u2029") and json.loads(text) == {"a": HOSTILE}
    with pytest.raises(ValueError, match="JSON"):
        escape_json(float("nan"))


def test_files_become_data_urls(tmp_path: Path) -> None:
    for name, kind in (("a.png", "image/png"), ("b.JPG", "image/jpeg"), ("c.wav", "audio/wav")):
        (tmp_path / name).write_bytes(b"\x00\xff" * 50)
        assert embed_file(tmp_path / name) == f"data:{kind};base64,{base64.b64encode(bytes([0, 255]) * 50).decode()}"
    assert embed_file(tmp_path / "a.png", max_bytes=99) is None and embed_file(tmp_path / "a.png", max_bytes=100)
    (tmp_path / "d.svg").write_text("<svg/>")
    assert embed_file(tmp_path / "d.svg") is None, "SVG may hold scripts"
    assert embed_file(tmp_path / "none.png") is None


@pytest.mark.parametrize("root", ["", "/home/ann/outputs/of/mine/"])
def test_pages_of_a_run_link_each_other(root: str) -> None:
    report, evaluation = Path(f"{root}outputs/main/report.html"), Path(f"{root}outputs/main/eval/report.html")
    assert get_links(report) == [
        ("Data", "../../data/report.html"),
        ("Evaluation", "eval/report.html"),
        ("Demo", "../../demos/main/index.html"),
    ]
    assert get_links(evaluation)[0] == ("Data", "../../../data/report.html")
    assert [title for title, _ in get_links(evaluation)] == ["Data", "Report", "Demo"]
    assert get_links(Path("page.html")) == get_links(Path("outputs/page.html")) == []
