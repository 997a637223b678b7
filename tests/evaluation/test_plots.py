import xml.etree.ElementTree as ET

import numpy as np
import pytest

pytest.importorskip("matplotlib")
from trirl_robot.evaluation.metrics import RunMetrics
from trirl_robot.evaluation.plots import INK, PLOTS, RULE, draw, drawable, thinned

SVG = "{http://www.w3.org/2000/svg}"


def run(name, rows=60, **values):
    return RunMetrics(
        name=name,
        rows=tuple(
            {"env_steps": 1000.0 * i, **{k.replace("__", "/"): v for k, v in values.items()}}
            for i in range(rows)
        ),
    )


def plot_of(key):
    return next(p for p in PLOTS if p.curves[0].key == key)


def test_a_plot_without_data_is_left_out():
    runs = [run("a", trust_region__eta=1.0)]
    assert [p.title for p in PLOTS if drawable(p, runs)] == ["Multiplier eta"]
    assert not any(drawable(p, []) for p in PLOTS)


@pytest.mark.parametrize("plot", PLOTS, ids=lambda p: p.title)
def test_each_plot_is_valid_svg_in_the_page_s_colours_with_its_unit(plot):
    keys = {c.key.replace("/", "__"): 0.5 for c in plot.curves}
    text = draw(plot, [run("seed 0", **keys), run("seed 1", **keys)])
    root = ET.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert "width" not in root.attrib
    assert "viewBox" in root.attrib
    words = {element.text for element in root.iter(f"{SVG}text")}
    assert {"environment steps", plot.axis, "seed 0", "seed 1"} <= words
    assert INK not in text
    assert RULE not in text
    assert "var(--ink)" in text


def test_identifiers_of_two_plots_do_not_meet():
    def identifiers(key):
        text = draw(plot_of(key), [run("a", **{key.replace("/", "__"): 1.0})])
        found = {e.attrib["id"] for e in ET.fromstring(text).iter() if "id" in e.attrib}
        for element in ET.fromstring(text).iter():
            for name, value in element.attrib.items():
                if name.endswith("href") or value.startswith("url(#"):
                    assert value.strip("url(#)").lstrip("#") in found
        return found

    assert not identifiers("trust_region/eta") & identifiers("dual/value")


def test_the_same_data_gives_the_same_text():
    runs = [run("a", dual__value=1.0)]
    assert draw(plot_of("dual/value"), runs) == draw(plot_of("dual/value"), runs)


def test_thinning_keeps_means_and_short_curves():
    x, y = np.arange(1000.0), np.arange(1000.0) * 2
    few_x, few_y = thinned(x, y, most=100)
    assert len(few_x) == 100
    assert few_y.mean() == pytest.approx(y.mean())
    np.testing.assert_allclose(few_y, 2 * few_x)
    assert thinned(x, y, most=1000)[0] is x
