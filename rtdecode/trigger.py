"""The trigger policy: whether a window's answer fires; a state machine without clock or stream.

Off is the safe side: it begins disarmed, what it does not understand it refuses,
and a refusal changes nothing that a later answer depends on but the run of
windows. The lock-out begins with a trigger and only with one.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from rtdecode.errors import UserError
from rtdecode.microseconds import NEVER_US, US_PER_MS, US_PER_S

MINUTE_US = 60 * US_PER_S
EARLY_US = 20_000  # clocks of two hosts agree better than this; else one of them is wrong
SUM_TOLERANCE = 1e-3  # probabilities of float32 sum to 1 within this


class Mode(StrEnum):
    """What a trigger does: nothing, say so, fire, or fire but for a drawn share."""

    DISARMED = "disarmed"
    DRY_RUN = "dry-run"
    ARMED = "armed"
    SHAM = "sham"


class Bundle(StrEnum):
    """How far the decoder's probabilities can be trusted."""

    CALIBRATED = "calibrated"
    UNCALIBRATED = "uncalibrated"
    REFUSED = "refused"


class Reason(StrEnum):
    """Why an answer is what it is."""

    FIRED = "fired"
    WITHHELD = "withheld as sham"
    DRY_RUN = "dry run"
    DISARMED = "disarmed"
    CLOCK = "clock went back"
    REFUSED = "bundle refused"
    UNCALIBRATED = "bundle uncalibrated"
    UNSOUND = "no probabilities"
    TROUBLED = "decoder not decoding"
    STALE = "stale data"
    DELAYED = "answer too late"
    EARLY = "answer before its window's end"
    INCOMPLETE = "incomplete window"
    MISSING = "too many late or lost spikes"
    BELOW = "below threshold"
    RUN = "too few windows in a row"
    REFRACTORY = "refractory"
    RATE = "most a minute reached"
    DOSE = "most a session reached"


def _labels(value: Any) -> Any:
    """One name or several; a number is written as labels are."""
    several = value if isinstance(value, (list, tuple)) else (value,)
    return tuple(map(_label, several))


def _label(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    try:
        return f"{value:g}"
    except OverflowError:  # an integer beyond every float
        return str(value)


Labels = Annotated[tuple[str, ...], BeforeValidator(_labels)]


class TriggerSettings(BaseModel):
    """When a trigger fires."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: Annotated[
        Labels,
        Field(
            description="Classes that fire, as the bundle names them; without one, nothing does",
            examples=[["90"]],
        ),
    ] = ()
    combine: Annotated[
        Literal["sum", "any"],
        Field(
            description="What of several classes must reach the threshold: "
            "their probabilities' sum, or any one of them alone"
        ),
    ] = "sum"
    threshold: Annotated[
        float, Field(gt=0, le=1, description="Probability that must be reached")
    ] = 0.9
    windows: Annotated[
        int, Field(ge=1, le=1000, description="Windows in a row that must reach it")
    ] = 1
    refractory_ms: Annotated[
        float,
        Field(ge=0, le=3.6e6, description="Milliseconds after a trigger in which none follows"),
    ] = 1000.0
    per_minute: Annotated[
        int, Field(ge=1, le=6000, description="Most triggers within any 60 seconds")
    ] = 20
    per_session: Annotated[
        int, Field(ge=1, le=1_000_000, description="Most triggers while the decoder runs")
    ] = 500
    sham_share: Annotated[
        float, Field(ge=0, le=1, description="Share of triggers withheld when armed as sham")
    ] = 0.5
    seed: Annotated[
        int, Field(ge=0, description="Of the draw that withholds: the same draws each run")
    ] = 0
    stale_ms: Annotated[
        float, Field(gt=0, le=60_000, description="No trigger when rows last came longer ago")
    ] = 100.0
    delay_ms: Annotated[
        float,
        Field(gt=0, le=60_000, description="No trigger this long after a window's end or later"),
    ] = 200.0
    missing_share: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="No trigger when a larger share of the spikes "
            "since the window before was late or lost",
        ),
    ] = 0.01
    calibration_error: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="No trigger when the bundle states a larger "
            "expected calibration error on kept-out trials, or none",
        ),
    ] = 0.1


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the policy is told of one window.

    Attributes
    ----------
    window : int
    probabilities : (classes,) float32
    complete : bool
    spikes, missing : int
        Since the decision before: all, and those among them late or lost.
    delay_us : int
        From the window's end to now.
    data_age_us : int
        Since a row last arrived.
    decoding : bool
        Whether the watchdog has the decoder as ready or decoding.
    """

    window: int
    probabilities: NDArray[np.float32]
    complete: bool
    spikes: int
    missing: int
    delay_us: int
    data_age_us: int
    decoding: bool


@dataclass(frozen=True)
class Answer:
    """What the policy says of one window.

    Attributes
    ----------
    window : int
    fired : bool
    reason : Reason
    mode : Mode
    p : float or None
        What was held against the threshold; None where there were no probabilities.
    in_a_row : int
        Windows in a row that have reached it, this one included.
    count : int
        Triggers of the session so far, those withheld included.
    """

    window: int
    fired: bool
    reason: Reason
    mode: Mode
    p: float | None
    in_a_row: int
    count: int


class Ledger:
    """When triggers were given, and whether another may be.

    Parameters
    ----------
    settings : TriggerSettings
    """

    def __init__(self, settings: TriggerSettings) -> None:
        self.count = 0
        self._settings = settings
        self._refractory_us = round(settings.refractory_ms * US_PER_MS)
        self._recent_us: deque[int] = deque(maxlen=settings.per_minute)

    def refusal(self, now_us: int) -> Reason | None:
        """Why there may be none now; None where there may."""
        if self.count >= self._settings.per_session:
            return Reason.DOSE
        recent_us = self._recent_us
        if recent_us and now_us - recent_us[-1] < self._refractory_us:
            return Reason.REFRACTORY
        if len(recent_us) == recent_us.maxlen and now_us - recent_us[0] < MINUTE_US:
            return Reason.RATE
        return None

    def enter(self, now_us: int) -> None:
        """A trigger is given now."""
        self.count += 1
        self._recent_us.append(now_us)


class TriggerPolicy:
    """Answers every window: fired, or refused and why.

    A trigger withheld as sham counts as one given, so that fired and withheld
    ones keep the same distances and limits. A dry run keeps a ledger of its own,
    which begins anew with each.

    Parameters
    ----------
    settings : TriggerSettings
    classes : sequence of str
        In the order of the probabilities.
    bundle : Bundle

    Raises
    ------
    UserError
        If a class that is to fire is none of the decoder's.
    """

    def __init__(self, settings: TriggerSettings, classes: tuple[str, ...], bundle: Bundle) -> None:
        self.settings = settings
        self.bundle = bundle
        self.mode = Mode.DISARMED
        self._columns = _columns(settings.classes, classes)
        self._given, self._dry = Ledger(settings), Ledger(settings)
        self._draw = random.Random(settings.seed)
        self._in_a_row = 0
        self._latest_us = NEVER_US

    @property
    def count(self) -> int:
        """Triggers of the session so far, those withheld included."""
        return self._given.count

    def enter(self, mode: Mode) -> None:
        """Arm, disarm or practise; windows before this count for no run."""
        self.mode = mode
        self._in_a_row = 0
        if mode is Mode.DRY_RUN:
            self._dry = Ledger(self.settings)

    def lapse(self) -> None:
        """A window was passed over: a run does not reach across it."""
        self._in_a_row = 0

    def answer(self, seen: Evidence, now_us: int) -> Answer:
        """Answer one window; to be called for each, in order.

        Parameters
        ----------
        seen : Evidence
        now_us : int
            A clock that does not step.
        """
        p = self._probability(seen.probabilities)
        reason = self._veto(seen, now_us, p)
        self._in_a_row = self._in_a_row + 1 if reason is None else 0
        in_a_row = self._in_a_row
        if reason is None:
            reason = self._decide(now_us)
        return Answer(
            seen.window, reason is Reason.FIRED, reason, self.mode, p, in_a_row, self.count
        )

    def _probability(self, probabilities: NDArray[np.float32]) -> float | None:
        """What is held against the threshold; None where these are no probabilities."""
        if not are_probabilities(probabilities):
            return None
        chosen = probabilities[self._columns]
        found = chosen.sum() if self.settings.combine == "sum" else chosen.max(initial=0.0)
        return float(found)

    def _veto(self, seen: Evidence, now_us: int, p: float | None) -> Reason | None:
        """Why this window is none of a run; None where it is."""
        back = now_us < self._latest_us
        self._latest_us = max(self._latest_us, now_us)
        if self.mode is Mode.DISARMED:
            return Reason.DISARMED
        if back:
            return Reason.CLOCK
        if self.bundle is not Bundle.CALIBRATED:
            refused = self.bundle is Bundle.REFUSED
            return Reason.REFUSED if refused else Reason.UNCALIBRATED
        if p is None:
            return Reason.UNSOUND
        untimely = self._untimely(seen)
        if untimely is None and p < self.settings.threshold:
            return Reason.BELOW
        return untimely

    def _untimely(self, seen: Evidence) -> Reason | None:
        """What of the data forbids a trigger; the first that does."""
        settings, delay_us = self.settings, seen.delay_us
        signs = {
            Reason.TROUBLED: not seen.decoding,
            Reason.STALE: seen.data_age_us > settings.stale_ms * US_PER_MS,
            Reason.DELAYED: delay_us >= settings.delay_ms * US_PER_MS,
            Reason.EARLY: delay_us < -EARLY_US,
            Reason.INCOMPLETE: not seen.complete,
            Reason.MISSING: seen.missing > settings.missing_share * seen.spikes,
        }
        return next((reason for reason, holds in signs.items() if holds), None)

    def _decide(self, now_us: int) -> Reason:
        """Of a window that is part of a run."""
        if self._in_a_row < self.settings.windows:
            return Reason.RUN
        ledger = self._dry if self.mode is Mode.DRY_RUN else self._given
        refusal = ledger.refusal(now_us)
        if refusal is not None:
            return refusal
        ledger.enter(now_us)
        self._in_a_row = 0
        if self.mode is Mode.DRY_RUN:
            return Reason.DRY_RUN
        withheld = self.mode is Mode.SHAM and self._draw.random() < self.settings.sham_share
        return Reason.WITHHELD if withheld else Reason.FIRED


def are_probabilities(values: NDArray[np.float32]) -> bool:
    """Whether a model's output (classes,) can be what it should: no NaN, none negative, sum 1."""
    return bool(np.all(values >= 0) and abs(values.sum() - 1) <= SUM_TOLERANCE)


def _columns(wanted: tuple[str, ...], classes: tuple[str, ...]) -> list[int]:
    strangers = [label for label in wanted if label not in classes]
    if strangers:
        shown = ", ".join(classes[:8]) + (" ..." if len(classes) > 8 else "")
        raise UserError(
            f"trigger.classes expects classes of the bundle ({shown}), "
            f"found {', '.join(map(repr, strangers))}: name those that the bundle has"
        )
    return [classes.index(label) for label in dict.fromkeys(wanted)]


def bundle_standing(metrics: dict[str, float], settings: TriggerSettings) -> Bundle:
    """Whether a bundle's own figures let it fire: its expected calibration error, kept out."""
    error = metrics.get("calibration_error")
    sure = error is not None and error <= settings.calibration_error
    return Bundle.CALIBRATED if sure else Bundle.UNCALIBRATED
