import pytest

pytest.importorskip("matplotlib")
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.text import Text
from PIL import Image

from trirl_robot.evaluation import tabular_plots
from trirl_robot.evaluation.tabular_plots import draw_curves, draw_rewards
from trirl_robot.irl.tabular.comparison import ComparisonConfig, compare

DRAWINGS = {"rewards": draw_rewards, "curves": draw_curves}


@pytest.fixture(scope="module", params=["icy-grid", "random"])
def comparison(request):
    return compare(ComparisonConfig(mdp=request.param, iterations=3))


@pytest.fixture(scope="module")
def pictures(comparison, tmp_path_factory):
    """Folder of the pictures, and the figures by name."""
    folder, figures = tmp_path_factory.mktemp("pictures"), []
    save = tabular_plots._save
    with pytest.MonkeyPatch.context() as patch:

        def keep(canvas, path):
            figures.append(canvas)
            save(canvas, path)

        patch.setattr(tabular_plots, "_save", keep)
        for name, draw in DRAWINGS.items():
            draw(comparison, folder / f"{name}.png")
    return folder, dict(zip(DRAWINGS, figures, strict=True))


def renderer(figure):
    return RendererAgg(*figure.bbox.size, figure.dpi)


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_picture_is_whole_and_none_of_its_titles_meets_another(pictures, name):
    folder, figures = pictures
    with Image.open(folder / f"{name}.png") as image:
        assert image.format == "PNG"
        assert min(image.size) >= 500
    figure = figures[name]
    titles = {axes.get_title(loc="left") for axes in figure.axes} - {""}
    found = figure.findobj(lambda artist: isinstance(artist, Text) and artist.get_text() in titles)
    boxes = [text.get_window_extent(renderer(figure)) for text in found]
    assert len(boxes) == len(titles) >= 3
    for index, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])


def test_the_legend_names_every_method_and_covers_no_curve(pictures, comparison):
    figure = pictures[1]["curves"]
    (legend,) = figure.legends
    names = [text.get_text().removesuffix(" (diverges)") for text in legend.get_texts()]
    assert names == [ascent.method.name for ascent in comparison.ascents]
    box = legend.get_window_extent(renderer(figure))
    assert not any(box.overlaps(axes.bbox) for axes in figure.axes)


def test_the_same_figures_give_the_same_bytes(pictures, comparison, tmp_path):
    draw_rewards(comparison, tmp_path / "again.png")
    again = (tmp_path / "again.png").read_bytes()
    assert again == (pictures[0] / "rewards.png").read_bytes()
    # nothing temporary is left
    assert sorted(path.name for path in pictures[0].iterdir()) == ["curves.png", "rewards.png"]
