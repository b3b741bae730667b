"""The window: alarm, pause, layout, choices, text."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QFontDatabase, QImage
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from rtdecode.errors import UserError
from rtdecode.gui import app
from rtdecode.gui.theme import DARK, LIGHT, text_px
from rtdecode.gui.window import FRAME_PX, window_text
from tests.gui import known
from tests.gui.conftest import NewWindow, Shown
from tests.gui.known import START_US, S, decision


def frame_colours(shown: Shown) -> set[str]:
    """Colours of the window's four edges, as drawn."""
    image = shown.window.grab().toImage()
    right, low, inset = image.width(), image.height(), FRAME_PX // 2
    places = [(inset, low // 2), (right - inset - 1, low // 2), (right // 2, inset)]
    places.append((right // 2, low - inset - 1))
    return {QColor(image.pixel(x, y)).name() for x, y in places}


def test_the_frame_turns_red_within_half_a_second_and_back(shown: Shown) -> None:
    shown.give(known.spikes([], [], START_US), known.healthy())
    assert frame_colours(shown) == {DARK.background}
    shown.give(after_s=0.2)
    assert frame_colours(shown) == {DARK.background}
    shown.give(after_s=0.25)
    assert frame_colours(shown) == {DARK.alarm}
    assert "no spikes for 0.5 s" in shown.window.banner.text()
    assert "STALE since" in shown.window.banner.text()
    shown.give(known.spikes([], [], START_US + S), known.healthy(), after_s=3.0)
    assert frame_colours(shown) == {DARK.background}
    assert "STALE" not in shown.window.banner.text()


def test_the_end_of_a_run_is_no_alarm(shown: Shown) -> None:
    shown.give(known.spikes([], [], START_US))
    shown.give(known.Batch(ended=True))
    shown.give(after_s=10.0)
    assert frame_colours(shown) == {DARK.background}
    assert "run ended" in shown.window.banner.text()


def test_pause_holds_the_picture_and_scrolls_through_what_is_kept(
    shown: Shown, qtbot: QtBot
) -> None:
    shown.give(known.decided(*(decision(i, "0") for i in range(8))))
    posterior, window = shown.window.panels["posterior"], shown.window
    qtbot.keyClick(window, Qt.Key.Key_Space)
    shown.give(known.decided(*(decision(i, "270") for i in range(8, 12))), after_s=2.0)
    assert posterior.decision.text() == "0"
    assert "PAUSED, 2.0 s back" in window.banner.text()
    qtbot.keyClick(window, Qt.Key.Key_Right)
    shown.give()
    assert posterior.decision.text() == "270"
    for _ in range(2):
        qtbot.keyClick(window, Qt.Key.Key_Left)
    shown.give()
    assert window.view.end_us == START_US + 36 * S // 10 - S
    assert posterior.decision.text() == "0"
    qtbot.keyClick(window, Qt.Key.Key_End)
    shown.give()
    assert window.view.end_us == shown.state.live_us
    assert not window.pause.isChecked()


def test_alarm_shows_while_paused(shown: Shown) -> None:
    shown.give(known.spikes([], [], START_US))
    shown.window.set_paused(True)
    shown.give(after_s=1.0)
    assert frame_colours(shown) == {DARK.alarm}


def test_layout_is_restored_and_can_be_reset(new_window: NewWindow, qtbot: QtBot) -> None:
    first = new_window()
    first.draw(Shown(first).state, 0.0)
    docks = first.docks.docks
    first.docks.removeDockWidget(docks["latency"])
    first.docks.addDockWidget(Qt.DockWidgetArea.TopDockWidgetArea, docks["latency"])
    docks["latency"].show()
    docks["reliability"].hide()
    first.resize(780, 700)  # within the 800 x 800 of a screen that is none
    QApplication.processEvents()
    first.close()

    second = new_window()
    second.draw(Shown(second).state, 0.0)
    QApplication.processEvents()
    area = second.docks.dockWidgetArea(second.docks.docks["latency"])
    assert area == Qt.DockWidgetArea.TopDockWidgetArea
    assert not second.docks.docks["reliability"].isVisible()
    assert (second.width(), second.height()) == (780, 700)
    qtbot.keyClick(second, Qt.Key.Key_L)
    area = second.docks.dockWidgetArea(second.docks.docks["latency"])
    assert area == Qt.DockWidgetArea.LeftDockWidgetArea
    assert second.docks.docks["reliability"].isVisible()


def test_a_broken_layout_file_is_no_obstacle(ini: Path, new_window: NewWindow) -> None:
    ini.write_bytes(b"[General]\nlayout=17\ngeometry=@ByteArray(\\x1)\ntheme=mauve\n")
    shown = Shown(new_window())
    shown.give(known.decided(decision(0, "0")))
    assert shown.window.theme is DARK
    assert shown.window.panels["latency"].isVisible()


def test_theme_is_remembered(new_window: NewWindow, qtbot: QtBot) -> None:
    window = new_window()
    qtbot.keyClick(window, Qt.Key.Key_T)
    assert window.theme is LIGHT
    window.close()
    assert new_window().theme is LIGHT


def test_several_decoders_are_offered_and_the_choice_remembered(
    new_window: NewWindow, qtbot: QtBot
) -> None:
    window = new_window()
    names = ["one on here", "another on there"]
    window.waiting.show_found([], names)
    with qtbot.waitSignal(window.decoder_chosen) as chosen:
        item = window.waiting.buttons.itemAt(1)
        assert item is not None
        qtbot.mouseClick(item.widget(), Qt.MouseButton.LeftButton)
    assert chosen.args == ["another on there"]
    assert window.settings.value("decoder") == "another on there"
    Shown(window).give()
    window.offer_decoders(names)
    assert window.chooser.isVisible()
    with qtbot.waitSignal(window.decoder_chosen):
        qtbot.keyClick(window, Qt.Key.Key_D)
    window.offer_decoders(names[:1])
    assert not window.chooser.isVisible()


def test_waiting_page_shows_what_is_on_the_network(new_window: NewWindow) -> None:
    window = new_window()
    window.draw(None, 0.0)
    window.waiting.show_found([("rtdecode-spikes", "SpikeEvents", 2, "rig")], [])
    assert window.waiting.isVisible()
    texts = [window.waiting.table.item(0, column).text() for column in range(5)]
    assert texts == ["rtdecode-spikes", "SpikeEvents", "2", "rig", "the spikes"]
    assert "rtdecode decode" in window.waiting.advice.text()
    numbers = window.waiting.table.verticalHeader()
    assert numbers is not None
    assert not numbers.isVisible()


def test_a_picture_is_saved_by_key_and_said(shown: Shown, qtbot: QtBot, ini: Path) -> None:
    shown.give(known.decided(decision(0, "0")))
    qtbot.keyClick(shown.window, Qt.Key.Key_P)
    shown.give()
    (saved,) = ini.parent.glob("rtdecode-*.png")
    assert str(saved) in shown.window.banner.text()
    image = QImage(str(saved))
    assert (image.width(), image.height()) == (shown.window.width(), shown.window.height())


def test_a_picture_that_cannot_be_saved_stops_nothing(
    shown: Shown, qtbot: QtBot, ini: Path
) -> None:
    shown.window.pictures = ini.parent / "no-folder"
    shown.window.pictures.write_text("a file is in the way")
    shown.give(known.decided(decision(0, "0")))
    qtbot.keyClick(shown.window, Qt.Key.Key_P)
    shown.give()
    assert "no picture saved" in shown.window.banner.text()


def test_the_decoded_window_is_told_in_words() -> None:
    assert window_text("0:250:25 ms") == "0 to 250 ms, bins of 25 ms"
    assert window_text("sliding") == "sliding"


def test_every_key_is_listed_in_the_window(shown: Shown) -> None:
    shown.give()
    for key in ("Space", "End", "P", "T", "D", "L", "F", "A", "Y", "X", "Q"):
        assert f"<b>{key}</b>" in shown.window.keys.text()
    assert shown.window.keys.isVisible()


@pytest.mark.parametrize("size", [(800, 600), (1200, 900), (2560, 1440)])
def test_text_scales_with_the_window_and_fits(new_window: NewWindow, size: tuple[int, int]) -> None:
    window = new_window()
    shown = Shown(window)
    shown.give(known.decided(decision(0, "0", "90")), known.healthy())
    window.resize(*size)
    QApplication.processEvents()
    shown.give()
    assert (window.width(), window.height()) == size
    px = text_px(*size)
    value = window.panels["health"].values["spikes/s"]
    assert value.fontInfo().pixelSize() == px
    assert value.fontMetrics().horizontalAdvance(value.text()) <= value.width()


def test_text_grows_in_proportion() -> None:
    assert text_px(1200, 900) == 14
    assert text_px(2400, 1800) == 28
    assert text_px(1200, 1800) == 14
    assert text_px(200, 200) == 10


def test_there_is_text_even_where_no_font_is_installed(shown: Shown) -> None:
    before = set(QFontDatabase.families())
    app.lend_font(app.new_application(offscreen=True))
    assert "DejaVu Sans" in QFontDatabase.families()
    assert before <= set(QFontDatabase.families())
    shown.give(known.decided(decision(0, "270")))
    label = shown.window.panels["posterior"].decision
    image = label.grab().toImage()
    ink = sum(
        QColor(image.pixel(x, y)).name() == DARK.accent
        for x in range(image.width())
        for y in range(0, image.height(), 2)
    )
    assert ink > 50


def test_without_a_screen_a_picture_must_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "has_screen", lambda: False)
    with pytest.raises(UserError, match="--snapshot"):
        app.run_view(app.ViewOptions())


def test_a_stop_before_the_loop_has_begun_ends_it_and_saves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lsl_config: Path
) -> None:
    began, handlers = app.Display.start, (signal.getsignal(signal.SIGTERM), signal.getsignal(2))

    def start(display: app.Display) -> None:
        began(display)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(app.Display, "start", start)
    picture = tmp_path / "new.png"
    try:
        assert app.run_view(app.ViewOptions(snapshot=picture, offscreen=True)) == 0
    finally:
        signal.signal(signal.SIGTERM, handlers[0])
        signal.signal(signal.SIGINT, handlers[1])
    assert not QImage(str(picture)).isNull()
    with pytest.raises(UserError, match="--force"):
        app.run_view(app.ViewOptions(snapshot=picture, offscreen=True))


def test_sizes_are_read_or_refused() -> None:
    assert app.size_of("1200x900") == (1200, 900)
    assert app.size_of("") == (0, 0)
    for wrong in ("1200", "0x5", "axb", "1x2x3"):
        with pytest.raises(UserError, match="WIDTHxHEIGHT"):
            app.size_of(wrong)


def test_raster_tables_are_told_apart_without_colour() -> None:
    """Lightness alone keeps spikes from ground, and onsets from both."""
    from rtdecode.gui.theme import raster_table

    weights = np.array([0.2126, 0.7152, 0.0722])
    for theme in (DARK, LIGHT):
        ground, spike, onset = raster_table(theme)[[0, 1, 255]] @ weights
        assert abs(spike - ground) > 80
        assert abs(onset - ground) > 60
