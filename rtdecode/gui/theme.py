"""Colours and sizes. Colours are those of Okabe and Ito (2008), told apart by the colour-blind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtdecode.gui.raster import MAX_COUNT, ONSET, WINDOW

#: Text height in a window of this size, all in pixels; it grows in proportion.
REFERENCE_TEXT, REFERENCE_SIZE = 14.0, (1200, 900)
MIN_TEXT, MAX_TEXT = 10, 48


@dataclass(frozen=True)
class Theme:
    """One set of colours, as ``#rrggbb``.

    Attributes
    ----------
    name : str
    background, panel, text, faint, line : str
        The window, the panels, what is read, what is less so, and rules.
    accent, truth, other : str
        The decoded class, the true label, and all other classes.
    good, warn, bad : str
        Each always comes with a word or a sign, never as colour alone.
    alarm : str
        The frame when what is shown is not live; white text lies on it.
    ramp : tuple of str
        From nothing to the most, for images.
    window : str
        Ground of the raster inside a decoding window.
    """

    name: str
    background: str
    panel: str
    text: str
    faint: str
    line: str
    accent: str
    truth: str
    other: str
    good: str
    warn: str
    bad: str
    alarm: str
    ramp: tuple[str, ...]
    window: str


DARK = Theme(
    name="dark",
    background="#101317",
    panel="#181c22",
    text="#eceff3",
    faint="#a3acb8",
    line="#39424e",
    accent="#56b4e9",
    truth="#e69f00",
    other="#566270",
    good="#2fc79a",
    warn="#f0e442",
    bad="#ff6b45",
    alarm="#d3222a",
    ramp=("#181c22", "#1f4e79", "#56b4e9", "#fdf6c9"),
    window="#26343f",
)
LIGHT = Theme(
    name="light",
    background="#e9ecef",
    panel="#ffffff",
    text="#14181d",
    faint="#55606c",
    line="#c3cad2",
    accent="#0072b2",
    truth="#c14f00",
    other="#a5b0bb",
    good="#007a58",
    warn="#946800",
    bad="#c8102e",
    alarm="#d3222a",
    ramp=("#ffffff", "#a9d3ee", "#0072b2", "#06263d"),
    window="#e4eef6",
)
THEMES = {theme.name: theme for theme in (DARK, LIGHT)}


def text_px(width: int, height: int) -> int:
    """Height of plain text in a window of this size, pixels."""
    share = min(width / REFERENCE_SIZE[0], height / REFERENCE_SIZE[1])
    return int(min(MAX_TEXT, max(MIN_TEXT, round(REFERENCE_TEXT * share))))


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of ``#rrggbb``."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def ramp_table(theme: Theme, n: int = 256) -> NDArray[np.uint8]:
    """Colours from nothing to the most, (n, 3) uint8."""
    stops = np.array([rgb(colour) for colour in theme.ramp], float)
    at = np.linspace(0, len(stops) - 1, n)
    channels = [np.interp(at, np.arange(len(stops)), channel) for channel in stops.T]
    return np.asarray(np.round(np.stack(channels, axis=1)), np.uint8)


def raster_table(theme: Theme) -> NDArray[np.uint8]:
    """Colours of the raster's values (`raster.WINDOW`, `raster.ONSET`), (256, 3) uint8."""
    table = np.empty((256, 3), np.uint8)
    text = np.array(rgb(theme.text), float)
    for base, ground in ((0, rgb(theme.panel)), (WINDOW, rgb(theme.window))):
        # One spike is plain to see; several in a pixel are brighter.
        ink = np.clip(0.55 + 0.15 * np.arange(MAX_COUNT + 1), 0.0, 1.0)
        ink[0] = 0.0
        mixed = np.outer(1 - ink, ground) + np.outer(ink, text)
        table[base : base + MAX_COUNT + 1] = np.round(mixed).astype(np.uint8)
    table[WINDOW + MAX_COUNT + 1 :] = rgb(theme.accent)
    table[ONSET] = rgb(theme.truth)
    return table


def history_table(theme: Theme) -> NDArray[np.uint8]:
    """Colours of the history's values: 0 is no decision, then the ramp, (256, 3) uint8."""
    table = ramp_table(theme)
    table[0] = rgb(theme.background)
    return table


def stylesheet(theme: Theme, px: int) -> str:
    """Qt style sheet of the whole window for text of `px` pixels."""
    return f"""
    QWidget {{ background: {theme.background}; color: {theme.text}; }}
    QMainWindow::separator {{ background: {theme.background}; width: 4px; height: 4px; }}
    QFrame#panel, QFrame#panel QLabel, QFrame#bar, QFrame#bar QLabel {{
        background: {theme.panel}; }}
    QLabel#title, QLabel#note, QLabel#key, QLabel#value, QPushButton, QComboBox, QTableWidget,
        QHeaderView, QToolTip {{ font-size: {px}px; }}
    QLabel#keys {{ font-size: {0.85 * px:.0f}px; }}
    QLabel#title {{ color: {theme.faint}; font-weight: bold; }}
    QLabel#note, QLabel#key, QLabel#keys {{ color: {theme.faint}; }}
    QToolTip {{ background: {theme.panel}; color: {theme.text}; border: 1px solid {theme.line}; }}
    QPushButton, QComboBox {{ background: {theme.panel}; border: 1px solid {theme.line};
        border-radius: 4px; padding: {px // 4}px {px // 2}px; }}
    QPushButton:hover, QComboBox:hover {{ border-color: {theme.accent}; }}
    QPushButton:checked {{ background: {theme.accent}; color: {theme.panel}; }}
    QComboBox QAbstractItemView {{ background: {theme.panel};
        selection-background-color: {theme.accent}; selection-color: {theme.panel}; }}
    QTableWidget {{ background: {theme.panel}; gridline-color: {theme.line};
        border: 1px solid {theme.line}; }}
    QHeaderView::section {{ background: {theme.background}; color: {theme.faint}; border: none;
        padding: {px // 4}px; font-weight: bold; }}
    QSlider::groove:horizontal {{ background: {theme.line}; height: {px // 3}px;
        border-radius: {px // 6}px; }}
    QSlider::handle:horizontal {{ background: {theme.accent}; width: {px}px;
        margin: -{px // 3}px 0; border-radius: {px // 2}px; }}
    """
