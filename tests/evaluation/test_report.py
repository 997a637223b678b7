import base64
import dataclasses
import re
from html.parser import HTMLParser

import pytest

pytest.importorskip("matplotlib")
from trirl_robot.evaluation.metrics import RunMetrics
from trirl_robot.evaluation.report import (
    ParityRow,
    ReportData,
    ResultRow,
    report_html,
    write_report,
)
from trirl_robot.evaluation.statistics import wilson
from trirl_robot.evaluation.video import Video

DATA = ReportData(
    title="Reach <SO-101>",
    summary="It reaches & stays.",
    results=(
        ResultRow(name="Random", rate=wilson(1, 200)),
        ResultRow(name="TRIRL", rate=wilson(197, 200), goal=0.95, note="train"),
        ResultRow(name="Shifted", rate=wilson(170, 200), goal=0.9),
    ),
    parity=(
        ParityRow(name="torch and onnxruntime", difference=2.5e-6, tolerance=1e-5, n=10_000),
        ParityRow(name="the wire", difference=3e-4, tolerance=1e-4, n=40),
        ParityRow(name="reported", difference=0.5, tolerance=None, n=1, unit="rad"),
    ),
    runs=(
        RunMetrics(
            name="seed 0",
            rows=tuple({"env_steps": i * 10.0, "trust_region/eta": 1.0} for i in range(5)),
        ),
    ),
    video=Video(mp4=b"film", strip_png=b"strip", backend="egl", frames_per_second=12.0),
    video_caption="Three reaches.",
    facts=(("Cores", "2"),),
    config_yaml="seed: 0\n",
)
VOID = {"meta", "img", "line", "circle", "path", "use", "br", "input", "rect"}


class Page(HTMLParser):
    """Collects text, links and the nesting of tags."""

    def __init__(self, html):
        super().__init__()
        self.words, self.links, self.open, self.titles = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.links += [v for k, v in attrs if k in ("src", "href", "xlink:href", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.words.append(" ".join(data.split()))
            if self.open[-1:] == ["h2"]:
                self.titles.append(data)


def test_the_page_holds_every_figure_and_nests_properly():
    page = Page(report_html(DATA))
    assert page.open == []
    text = " | ".join(page.words)
    for expected in ("Reach <SO-101>", "It reaches & stays.", "98.5 %", "95.7–99.5", "2.5e-06"):
        assert expected in text, expected
    for expected in ("10,000", "0.5 rad", "seed: 0", "Cores", "Three reaches."):
        assert expected in text, expected
    assert page.titles == ["Success rates", "The arm", "Training", "Parity", "This run"]


def test_a_goal_is_met_or_missed_in_words():
    page = Page(report_html(DATA))
    assert page.words.count("met") == 2
    assert page.words.count("missed") == 2
    assert [row.met for row in DATA.results] == [None, True, False]
    assert [row.met for row in DATA.parity] == [True, False, None]


def test_nothing_is_loaded_from_elsewhere():
    html = report_html(DATA)
    links = Page(html).links
    assert all(link.startswith(("data:", "#")) for link in links)
    assert f"data:video/mp4;base64,{base64.b64encode(b'film').decode()}" in links
    outside = re.sub(r"http://www\.w3\.org/\S+", "", html)  # names of XML dialects
    assert not re.search(r"https?://|@import|url\((?!#|'?data)", outside)


def test_parts_that_are_empty_are_left_out():
    page = Page(report_html(ReportData(title="a", summary="b")))
    assert page.titles == []
    assert page.open == []


def test_without_a_video_the_reason_is_shown():
    data = dataclasses.replace(DATA, video=None, video_caption="No renderer works here.")
    html = report_html(data)
    assert "No renderer works here." in html
    assert "<video" not in html


def test_the_report_is_written_whole(tmp_path):
    path = tmp_path / "runs" / "report.html"
    write_report(path, DATA)
    assert path.read_text(encoding="utf-8") == report_html(DATA)
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
