"""The policy's answers carried out: outputs, counts, and the arming that lets them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from threading import Lock

from rtdecode.bundle import BundleInfo
from rtdecode.control_server import Request
from rtdecode.errors import UserError
from rtdecode.microseconds import US_PER_MS
from rtdecode.rig import OutputsSection
from rtdecode.trigger import (
    Answer,
    Evidence,
    Mode,
    Reason,
    TriggerPolicy,
    TriggerSettings,
    bundle_standing,
)
from rtdecode.triggers.errors import OutputError
from rtdecode.triggers.outputs import Output, open_outputs

ASKED = "as asked"
COMMANDS = {
    "arm": Mode.ARMED,
    "sham": Mode.SHAM,
    "dry-run": Mode.DRY_RUN,
    "disarm": Mode.DISARMED,
}


class Firing:
    """Answers windows and carries the answers out.

    Parameters
    ----------
    settings : TriggerSettings
    info : BundleInfo
        Of the decoder.
    clock_us : callable
        A clock that does not step, microseconds.
    on_mode : callable, optional
        Called with the mode and why, whenever it changes.

    Raises
    ------
    UserError
        If a class that is to fire is none of the decoder's.
    """

    def __init__(
        self,
        settings: TriggerSettings,
        info: BundleInfo,
        clock_us: Callable[[], int],
        on_mode: Callable[[Mode, str], None] = lambda mode, why: None,
    ) -> None:
        self._settings = settings
        standing = bundle_standing(info.metrics, settings)
        self._policy = TriggerPolicy(settings, info.classes, standing)
        self._outputs: Sequence[Output] = ()
        self._clock_us = clock_us
        self._on_mode = on_mode
        self._why = "as it starts"
        self._counts: Counter[Reason] = Counter()
        # Told by another thread; whatever is in it disarms before the loop has taken it.
        self._asked_off: deque[Request] = deque()
        self._answering = Lock()

    def open(self, section: OutputsSection) -> None:
        """Open what a trigger sets off; before the first window.

        Raises
        ------
        UserError
            If one cannot be opened.
        """
        self._outputs = open_outputs(section)

    @property
    def mode(self) -> Mode:
        """What a trigger does now."""
        return Mode.DISARMED if self._asked_off else self._policy.mode

    def answer(self, seen: Evidence, decided_us: int) -> dict[str, object]:
        """Answer a window, and fire if that is the answer.

        Parameters
        ----------
        seen : Evidence
        decided_us : int
            When the model had answered, on the clock given.

        Returns
        -------
        dict
            What is published of it; with ``trigger_ms`` from there to the last
            output where it fired.
        """
        with self._answering:
            self._heed()
            answer = self._policy.answer(seen, self._clock_us())
            event = _event(answer)
            if answer.fired:
                event |= self._fire(event, decided_us)
        self._counts[answer.reason] += 1
        return event

    def lapse(self) -> None:
        """A window was passed over."""
        self._policy.lapse()

    def disarm(self, why: str) -> bool:
        """Fire no more until somebody arms anew; whether that changes anything."""
        if self._policy.mode is Mode.DISARMED:
            return False
        self._enter(Mode.DISARMED, why)
        return True

    def follow(self, info: BundleInfo) -> None:
        """Another bundle of the same classes decodes; it has not been armed by anybody."""
        self._policy.bundle = bundle_standing(info.metrics, self._settings)
        self.disarm("another bundle decodes")

    def ask_off(self, request: Request) -> None:
        """Disarm before the loop comes to it; from any thread.

        Once it is answered nothing fires any more: what fires just now is waited for.
        """
        self._asked_off.append(request)
        with self._answering:
            request.answer(mode=Mode.DISARMED.value)

    def command(self, name: str) -> dict[str, object]:
        """Arm, disarm or practise, as somebody asked.

        Raises
        ------
        UserError
            If nothing could fire.
        """
        mode = COMMANDS[name]
        if mode is Mode.DISARMED:
            self._heed()
        else:
            self._check_armable()
        self._enter(mode, ASKED)
        return self.told()

    def brief(self) -> dict[str, object]:
        """Mode and why; from any thread."""
        return {"mode": self.mode.value, "why": self._why}

    def told(self) -> dict[str, object]:
        """Mode, why, and how many windows were answered how."""
        fired, withheld = self._counts[Reason.FIRED], self._counts[Reason.WITHHELD]
        return {
            "mode": self.mode.value,
            "why": self._why,
            "fired": fired,
            "withheld": withheld,
            "refused": self._counts.total() - fired - withheld,
            "reasons": {reason.value: n for reason, n in self._counts.items()},
        }

    def look_after(self) -> bool:
        """Disarm where an output has failed since; whether that changes anything."""
        troubles = [trouble for output in self._outputs if (trouble := output.trouble())]
        return self.disarm(troubles[0]) if troubles else False

    def close(self) -> None:
        """Disarm and let go of the outputs."""
        self.disarm("stopped")
        for output in self._outputs:
            output.close()

    def _heed(self) -> None:
        """Do what was asked for from another thread."""
        while self._asked_off:
            self._enter(Mode.DISARMED, ASKED)
            self._asked_off.popleft()

    def _enter(self, mode: Mode, why: str) -> None:
        changed = mode is not self._policy.mode
        self._policy.enter(mode)
        self._why = why
        if changed:
            self._on_mode(mode, why)

    def _check_armable(self) -> None:
        settings = self._settings
        if not settings.classes:
            raise UserError(
                "expected trigger.classes to name what fires, found none: "
                "start the decoder with -o 'trigger.classes=[\"LABEL\"]' or a rig's file"
            )
        standing = self._policy.bundle
        if standing is not standing.CALIBRATED:
            raise UserError(
                "expected a bundle with a calibration error of at most "
                f"{settings.calibration_error:g} on kept-out trials, found one that is "
                f"{standing.value}: train it anew, or raise trigger.calibration_error"
            )

    def _fire(self, event: dict[str, object], decided_us: int) -> dict[str, object]:
        """Every output in turn; a failure disarms, and the others still fire."""
        failed = []
        for output in self._outputs:
            try:
                output.fire(event)
            except OutputError as error:
                failed.append(str(error))
        took_ms = round((self._clock_us() - decided_us) / US_PER_MS, 4)
        if failed:
            self.disarm(failed[0])
        return {"trigger_ms": took_ms, "failed": failed}


def _event(answer: Answer) -> dict[str, object]:
    return {
        "fired": answer.fired,
        "reason": answer.reason.value,
        "mode": answer.mode.value,
        "window": answer.window,
        "p": None if answer.p is None else round(answer.p, 6),
        "in_a_row": answer.in_a_row,
        "count": answer.count,
    }
