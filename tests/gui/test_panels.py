"""What each panel draws, for input of known content."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QObject, QRectF
from PyQt6.QtGui import QColor, QFontMetrics, QImage
from PyQt6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from rtdecode.gui.packets import Onset
from rtdecode.gui.panels.base import Panel, new_plot
from rtdecode.gui.panels.performance import few_ticks
from rtdecode.gui.panels.picture import Picture
from rtdecode.gui.panels.posterior import TOP
from rtdecode.gui.raster import ONSET, WINDOW
from rtdecode.gui.stimuli import image_files, patch
from rtdecode.gui.theme import DARK, LIGHT, raster_table
from tests.gui import known
from tests.gui.conftest import NewWindow, Shown
from tests.gui.known import CLASSES, START_US, S, decision


def panel(shown: Shown, key: str) -> Panel:
    return shown.window.panels[key]


def ticks(of: Panel, side: str) -> list[str]:
    """The named ticks of a panel's axis."""
    return [name for level in of.plot.getAxis(side)._tickLevels for _, name in level]


def colours(widget: QWidget) -> set[str]:
    """Every colour of a widget as it is drawn."""
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    pixels = image.constBits()
    assert pixels is not None
    values = np.frombuffer(pixels.asarray(image.sizeInBytes()), np.uint32)
    return {QColor.fromRgb(int(value)).name() for value in np.unique(values)}


def test_few_classes_keep_their_places(shown: Shown) -> None:
    shown.give(known.decided(decision(0, "90", "180", p=0.7)))
    posterior = panel(shown, "posterior")
    assert posterior.decision.text() == "90"
    assert "p = 0.70" in posterior.under.text()
    assert "true 180 ✗" in posterior.under.text()
    assert posterior.shown_bars.names == CLASSES
    np.testing.assert_allclose(posterior.bars.opts["width"], [0.1, 0.7, 0.1, 0.1], rtol=1e-6)
    assert posterior.bars.opts["brushes"][1:3] == [DARK.accent, DARK.truth]
    assert ticks(posterior, "left") == list(CLASSES)
    assert {DARK.accent, DARK.truth} <= colours(posterior.plot)


def test_an_early_decision_says_after_how_long(shown: Shown) -> None:
    at_end, early = decision(0, "90"), decision(1, "90")
    shown.give(known.decided(replace(at_end, bins_used=4, bins=4)))
    posterior = panel(shown, "posterior")
    assert "ms" not in posterior.under.text()
    shown.give(known.decided(replace(early, bins_used=3, bins=4)))
    assert "after 100 ms" in posterior.under.text()


def test_of_many_classes_the_top_ten_and_the_rest(new_window: NewWindow) -> None:
    classes = tuple(f"scene {i}" for i in range(119))
    shown = Shown(new_window(), replace(known.DECODER, classes=classes))
    batch = known.decided(decision(0, "scene 7", p=0.5), classes=classes)
    batch.posteriors[0, 50] = 0.25
    shown.give(batch)
    bars = panel(shown, "posterior").shown_bars
    assert bars.names[:2] == ("scene 7", "scene 50")
    assert bars.names[-1] == "rest (109)"
    assert len(bars.names) == TOP + 1
    assert bars.values.sum() == pytest.approx(batch.posteriors.sum())


def test_a_decision_is_grey_and_marked_when_it_is_old(shown: Shown) -> None:
    posterior = panel(shown, "posterior")
    assert posterior.decision.text() == "–"
    shown.give(known.decided(decision(0, "90")))
    assert DARK.accent in colours(posterior.decision)
    shown.give(known.spikes([], [], START_US + 9 * S), after_s=9.0)
    assert "OLD" in posterior.under.text()
    assert DARK.accent not in colours(posterior.decision)
    assert DARK.accent not in colours(posterior.plot)
    shown.give(known.decided(decision(18, "0")))
    assert "OLD" not in posterior.under.text()


def test_a_posterior_that_is_no_number_draws_no_bar(shown: Shown) -> None:
    batch = known.decided(decision(0, "0"))
    batch.posteriors[:] = np.nan
    shown.give(batch)
    assert panel(shown, "posterior").shown_bars.values.tolist() == [0.0] * 4


def test_a_window_without_probabilities_says_so(shown: Shown) -> None:
    nothing = replace(decision(0, "0"), top="", p=float("nan"))
    batch = known.decided(decision(0, "0"))
    batch.decisions, batch.posteriors[:] = [nothing], np.nan
    shown.give(batch)
    posterior = panel(shown, "posterior")
    assert posterior.decision.text() == "–"
    assert posterior.under.text() == "no probability"


def test_figures_change_without_a_new_layout(shown: Shown) -> None:
    """Qt's own label has the whole window laid out anew at each text: 5 ms a time."""
    shown.give(known.decided(decision(0, "0", "0")), known.healthy(spikes={"on_time": 1_000}))
    requests = LayoutRequests(shown.window)
    shown.give(known.decided(decision(1, "90", "0")), known.healthy(spikes={"on_time": 1_001}))
    assert panel(shown, "posterior").decision.text() == "90"
    assert panel(shown, "health").values["on_time"].text() == "1,001"
    assert requests.n == 0
    shown.give(known.healthy(spikes={"on_time": 10**12}))
    assert requests.n > 0  # for this one there was no room


class LayoutRequests(QObject):
    """Counts how often a layout is asked for in a window."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.n = 0
        for widget in (window, *window.findChildren(QWidget)):
            widget.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Count, and let it pass."""
        self.n += event is not None and event.type() == QEvent.Type.LayoutRequest
        return False


def test_history_shows_probabilities_and_true_labels(shown: Shown) -> None:
    said = [decision(0, "0", "0", p=1.0), decision(1, "90", "180", p=1.0)]
    shown.give(known.decided(*said))
    history = panel(shown, "history")
    image, span = history.image.image, history.span(shown.window.view)
    for number, row in ((0, 0), (1, 1)):
        column = (said[number].end_us - span.start_us) // span.column_us
        assert image[:, column].argmax() == row
        assert image[row, column] == 255
    assert (image[:, : (said[0].end_us - span.start_us) // span.column_us] == 0).all()
    x, y = history.truth.getData()
    assert y.tolist() == [0.5, 2.5]
    np.testing.assert_allclose(x, [(d.end_us - span.stop_us) * 1e-6 for d in said])
    assert ticks(history, "left") == list(CLASSES)


def test_raster_shows_every_spike_at_its_unit_and_time(shown: Shown) -> None:
    # Unit 101 is the topmost of LGd, 100 the topmost of VISp: rows 0 and 4.
    times = [START_US, START_US + S, START_US + 2 * S]
    shown.give(known.spikes(times, [101, 100, 555], START_US + 3 * S))
    raster = panel(shown, "raster")
    image, span = raster.image.image, raster.span(shown.window.view)
    columns = [(time - span.start_us) // span.column_us for time in times]
    assert image.shape == (8, span.columns)
    assert image.sum() == 2
    assert image[0, columns[0]] == image[4, columns[1]] == 1
    assert ticks(raster, "left") == ["LGd", "VISp"]
    ink = QColor(*raster_table(DARK)[1].tolist()).name()
    assert ink in colours(raster.plot)


def test_a_picture_lies_in_the_plot_as_its_rows_and_columns_say(qtbot: QtBot) -> None:
    plot, picture = new_plot(), Picture()
    qtbot.addWidget(plot)
    plot.resize(300, 300)
    plot.addItem(picture)
    plot.invertY(True)
    plot.setRange(xRange=(0, 2), yRange=(0, 2))
    plot.show()
    table = np.zeros((256, 3), np.uint8)
    table[:4] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]
    picture.set_colours(table)
    for image in (np.array([[0, 1], [2, 3]], np.uint8), np.array([[3, 2], [1, 0]], np.uint8)):
        picture.show_image(image, QRectF(0, 0, 2, 2))
        QApplication.processEvents()
        drawn = plot.grab().toImage()
        for row, column in np.ndindex(2, 2):
            at = plot.mapFromScene(picture.mapToScene(column + 0.5, row + 0.5))
            wanted = QColor(*table[image[row, column]].tolist())
            assert drawn.pixelColor(at) == wanted, (row, column)


def test_raster_shows_onsets_and_windows(shown: Shown) -> None:
    shown.give(known.decided(decision(0, "0")), known.spikes([], [], START_US + S))
    raster = panel(shown, "raster")
    image, span = raster.image.image, raster.span(shown.window.view)
    onset = (START_US - span.start_us) // span.column_us
    end = (START_US + S // 10 - span.start_us) // span.column_us
    assert (image[:, onset] == ONSET).all()
    assert (image[:, onset + 1 : end] == WINDOW).all()
    assert (image[:, end:] == 0).all()
    assert {DARK.truth, DARK.window} <= colours(raster.plot)


def test_a_thousand_units_share_pixels_and_lose_no_spike(new_window: NewWindow) -> None:
    window = new_window()
    shown = Shown(window)
    shown.give(known.Batch(units=known.units(1_000)))
    ids = list(range(100, 1_100))
    times = [START_US + 1_000 * i for i in range(1_000)]
    shown.give(known.spikes(times, ids, START_US + S))
    image = panel(shown, "raster").image.image
    assert image.shape[0] < 1_000
    assert image.sum() == 1_000


def test_accuracy_stands_beside_chance(shown: Shown) -> None:
    shown.give(known.decided(*(decision(i, "0", "0" if i % 4 else "90") for i in range(8))))
    accuracy = panel(shown, "accuracy")
    assert accuracy.figure.text() == "75%"
    assert accuracy.words.text() == "of the last 8\n75.0% of 8"
    assert accuracy.note.text() == "chance 25.0%"
    assert accuracy.chance.value() == 0.25
    assert accuracy.running.getData()[1][-1] == 0.75
    assert {DARK.accent, DARK.truth} <= colours(accuracy.plot)


@pytest.mark.parametrize(
    ("low", "high", "names"),
    [
        (1, 8, ["5"]),
        (1, 2, ["1", "2"]),
        (1289, 2288, ["1,500", "2,000"]),
        (99_000, 101_000, ["99,000", "100,000", "101,000"]),
    ],
)
def test_ticks_of_many_windows_have_room(low: float, high: float, names: list[str]) -> None:
    assert [name for _, name in few_ticks(low, high)] == names


def test_without_true_labels_no_accuracy_is_made_up(shown: Shown) -> None:
    shown.give(known.decided(decision(0, "0")))
    assert panel(shown, "accuracy").figure.text() == "no true labels"


def test_confusions_are_drawn_as_shares_with_their_counts(shown: Shown) -> None:
    said = [("0", "0")] * 3 + [("90", "0")] + [("270", "270")]
    shown.give(known.decided(*(decision(i, top, true) for i, (top, true) in enumerate(said))))
    confusion = panel(shown, "confusion")
    # Row: true, column: decoded. Of four true 0, one was taken for 90.
    np.testing.assert_array_equal(confusion.image.image[0], [191, 64, 0, 0])
    np.testing.assert_array_equal(confusion.image.image[3], [0, 0, 0, 255])
    figures = [text.toPlainText() for text in confusion.figures]
    assert figures[:4] == ["3", "1", "", ""]
    assert ticks(confusion, "left") == ticks(confusion, "bottom") == list(CLASSES)


def test_reliability_draws_stated_against_found(shown: Shown) -> None:
    said = [decision(i, "0", "0" if i % 4 else "90", p=0.85) for i in range(16)]
    shown.give(known.decided(*said, decision(16, "0", "0", p=0.45)))
    reliability = panel(shown, "reliability")
    stated, found = reliability.curve.getData()
    assert stated.tolist() == pytest.approx([0.85])
    assert found.tolist() == [0.75]
    # One window alone proves nothing.
    assert [values.tolist() for values in reliability.few.getData()] == [[0.45], [1.0]]
    assert reliability.note.text() == f"error {(16 * 0.10 + 0.55) / 17:.2f}"
    assert {DARK.accent, DARK.line} <= colours(reliability.plot)


def test_latency_by_stage_with_the_deadline(shown: Shown) -> None:
    shown.give(known.decided(*(decision(i, "0") for i in range(10))))
    latency = panel(shown, "latency")
    cells = [[cell.text() for cell in row] for row in latency.cells]
    assert cells[0] == ["0.30"] * 4
    assert cells[-1] == ["0.90"] * 4
    assert 10 ** latency.deadline.value() == pytest.approx(5.0)
    assert latency.note.text() == "deadline 5 ms: 0 of 10 late"
    # One bar for each stage and one for the total, each in its own row.
    assert sorted(latency.bars.opts["y1"]) == [1, 2, 3, 4, 5]
    assert latency.total.opts["y1"] == [6]
    assert {DARK.accent, DARK.text} <= colours(latency.plot)


def test_health_says_what_became_of_every_spike(shown: Shown) -> None:
    counts = {"on_time": 12_345, "late": 1_111, "lost": 0}
    shown.give(
        known.healthy(spikes=counts, windows_incomplete=2),
        known.answers(True, False, False),
        known.spikes([], [], START_US),
    )
    health = panel(shown, "health")
    texts = {name: value.text() for name, value in health.values.items()}
    assert health.state_label.text() == "● DECODING"
    assert texts["on_time"] == "12,345"
    assert texts["late"] == "1,111"
    assert texts["spikes/s"] == "1,234"
    assert texts["data age"] == "live"
    assert texts["windows"] == "7, 2 incomplete"
    assert texts["triggers"] == "1 fired, 2 refused"
    assert DARK.warn in colours(health.values["late"])
    assert DARK.warn not in colours(health.values["lost"])


def test_gratings_are_drawn_as_they_were_shown(shown: Shown) -> None:
    batch = known.decided(decision(0, "0", "90"))
    batch.onsets = [Onset(START_US, {"orientation": 90.0, "spatial_frequency": 0.04})]
    shown.give(batch)
    stimulus = panel(shown, "stimulus")
    assert shown.window.docks.docks["stimulus"].isVisible()
    assert stimulus.captions["decoded"].text() == "decoded 0"
    decoded, true = (levels_of(stimulus.images[name]) for name in ("decoded", "true"))
    # Bars of orientation 0 stand upright: all rows alike; those of 90 lie.
    assert (decoded == decoded[0]).all()
    assert (true == true[:, :1]).all()
    assert edges(true[:, 0]) == edges(decoded[0]) // 2


def edges(line: np.ndarray) -> int:
    """How often a line of grey crosses the mean."""
    return int(np.count_nonzero(np.diff(line > 127)))


def levels_of(image: QImage | None) -> np.ndarray:
    assert image is not None
    bits = image.constBits()
    assert bits is not None
    shape = (image.height(), image.bytesPerLine())
    return np.frombuffer(bits.asarray(image.sizeInBytes()), np.uint8).reshape(shape)


def test_pictures_of_a_folder_are_found_by_label(tmp_path: Path, new_window: NewWindow) -> None:
    for number, colour in ((7, "#ff0000"), (12, "#00ff00")):
        image = QImage(40, 30, QImage.Format.Format_RGB32)
        image.fill(QColor(colour))
        assert image.save(str(tmp_path / f"scene_{number:03}.png"))
    window = new_window()
    stimulus = window.panels["stimulus"]
    stimulus.files = image_files(tmp_path)
    info = replace(known.DECODER, classes=("7", "12", "99"), task="natural_scenes.frame")
    shown = Shown(window, info)
    shown.give(known.decided(decision(0, "7", "12"), classes=info.classes))
    assert "#ff0000" in colours(stimulus.pictures["decoded"])
    assert "#00ff00" in colours(stimulus.pictures["true"])
    shown.give(known.decided(decision(1, "99", "7"), classes=info.classes))
    assert stimulus.images["decoded"] is None


def test_a_task_without_pictures_shows_no_stimulus_panel(new_window: NewWindow) -> None:
    shown = Shown(new_window(), replace(known.DECODER, task="natural_scenes.frame"))
    shown.give(known.decided(decision(0, "0")))
    assert not shown.window.docks.docks["stimulus"].isVisible()


@pytest.mark.parametrize(("value", "level"), [("1", 254), ("-1", 0)])
def test_flashes_are_drawn_light_and_dark(value: str, level: int) -> None:
    from rtdecode.gui.stimuli import drawn_stimulus

    drawn = drawn_stimulus("flashes.color", value, {})
    assert drawn is not None
    assert (patch(drawn) == level).all()


def test_a_panel_draws_only_what_has_changed(shown: Shown) -> None:
    shown.give(known.decided(decision(0, "0", "0")), known.healthy())
    keys = ("posterior", "history", "raster", "accuracy", "confusion", "latency", "health")
    drawn = [panel(shown, key).draw(shown.state, shown.window.view) for key in keys]
    assert not any(drawn)
    shown.state.apply(known.decided(decision(1, "0", "0")), shown.now_s)
    view = replace(shown.window.view, end_us=shown.state.live_us)
    drawn = [panel(shown, key).draw(shown.state, view) for key in keys[:6]]
    assert all(drawn)


def test_both_themes_colour_every_panel(shown: Shown) -> None:
    shown.give(known.decided(decision(0, "0", "90")), known.healthy())
    for theme in (LIGHT, DARK):
        shown.window.set_theme(theme)
        shown.give()
        for key in shown.window.panels:
            assert theme.panel in colours(panel(shown, key)), key


@pytest.mark.parametrize("size", [(800, 600), (1200, 900), (1920, 1080)])
def test_both_figures_of_the_rate_axis_are_drawn_whole(
    new_window: NewWindow, size: tuple[int, int]
) -> None:
    window = new_window()
    window.resize(*size)
    shown = Shown(window)
    shown.give(known.healthy(spikes_per_s=1_000.0))
    plot = panel(shown, "health").plot
    axis, image = plot.getAxis("left"), plot.grab().toImage()
    text_px = QFontMetrics(axis.style["tickFont"]).tightBoundingRect("0").height()
    right = int(axis.width()) - axis.style["tickTextOffset"][0]
    ground = QColor(DARK.panel).lightness()
    inked = [
        any(image.pixelColor(x, y).lightness() - ground > 80 for x in range(right))
        for y in range(image.height())
    ]
    lines = "".join("x" if ink else " " for ink in inked).split()
    upper, nought = map(len, lines)
    assert upper >= text_px == nought
