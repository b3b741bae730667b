"""What the trigger policy has answered, since the display listens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from rtdecode.gui.reports import Policy, Trigger

#: The reason that is given where a trigger was drawn to be withheld.
WITHHELD = "withheld as sham"


class TriggerLog:
    """Counts of the answers, and the newest of them.

    Attributes
    ----------
    fired, withheld : int
    refused : Counter of str
        By reason.
    n : int
        Answers in all.
    newest, given : Trigger or None
        The newest answer, and the newest that was fired or withheld.
    given_s : float
        When that came, seconds of the display's clock.
    policy : Policy or None
        What the decoder's health tells of the trigger.
    """

    def __init__(self) -> None:
        self.fired = self.withheld = self.n = 0
        self.refused = Counter[str]()
        self.newest: Trigger | None = None
        self.given: Trigger | None = None
        self.given_s = 0.0
        self.policy: Policy | None = None

    def add(self, triggers: Iterable[Trigger], now_s: float) -> None:
        """Count answers that came at `now_s`."""
        for trigger in triggers:
            self.n += 1
            self.newest = trigger
            if trigger.fired or trigger.reason == WITHHELD:
                self.given, self.given_s = trigger, now_s
            self._count(trigger)

    def hear(self, told: Policy) -> None:
        """Take in what a health report tells; a short one tells mode and why alone."""
        short = not (told.classes or told.reasons or told.per_session)
        before = self.policy if short else None
        kept = replace(before, mode=told.mode, why=told.why) if before is not None else told
        self.policy = kept

    def _count(self, trigger: Trigger) -> None:
        if trigger.fired:
            self.fired += 1
        elif trigger.reason == WITHHELD:
            self.withheld += 1
        else:
            self.refused[trigger.reason] += 1

    @property
    def totals(self) -> Policy:
        """Answers since the decoder's start; since we listen where it does not tell them."""
        if self.policy is not None:
            return self.policy
        reasons = {**self.refused, WITHHELD: self.withheld, "fired": self.fired}
        refused = self.refused.total()
        return Policy("", "", (), self.fired, self.withheld, refused, reasons)

    @property
    def can_fire(self) -> bool:
        """Whether a trigger is set up at all."""
        return self.policy is not None and bool(self.policy.classes)
