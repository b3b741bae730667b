"""The intake, written plainly: Python numbers, lists and sets, one row after the other."""

from dataclasses import dataclass, field

from rtdecode.kernels.ingest import HALF_SEQUENCE, KINDS, MOST_OVERTAKEN, SEQUENCE_MASK

NEVER = None


def later(a, b):
    """The later of two times of which either may be none."""
    return b if a is None else a if b is None else max(a, b)


@dataclass
class PlainIntake:
    """What ``rtdecode.kernels.ingest`` must do; a time that is not known is None."""

    unit_ids: list
    capacity: int
    retain_us: int
    dedup_us: int
    open_from_us: float = float("inf")
    kept: list = field(default_factory=list)  # (time, row), every spike ever kept
    tally: dict = field(default_factory=lambda: dict.fromkeys((*KINDS, "watermarks", "rows"), 0))
    watermark_us: int | None = NEVER
    closed_us: int | None = NEVER
    newest_us: int | None = NEVER
    first_us: int | None = NEVER
    gap_us: int | None = NEVER
    unsure_us: int | None = NEVER
    expected: int | None = None
    missing: dict = field(default_factory=dict)
    refused: int = 0

    def take(self, unit_id, sequence, time_us, latest_us):
        """One row; ``time_us`` is None where the stamp was no time."""
        self.tally["rows"] += 1
        sane = time_us is not None and time_us <= latest_us and unit_id >= -1
        self._follow(sequence, time_us if sane else self.newest_us)
        self.tally[self._kind(unit_id, time_us) if sane else "malformed"] += 1

    def _follow(self, sequence, time_us):
        """Count what is missing before a row; take back one that was."""
        if self.expected is None:
            self.expected = (sequence + 1) & SEQUENCE_MASK
            return
        ahead = (sequence - self.expected) % (SEQUENCE_MASK + 1)
        known = [t for t in (self.newest_us, self.watermark_us) if t is not None]
        beyond = time_us is not None and all(time_us > t for t in known)
        if 0 < ahead < HALF_SEQUENCE:
            self.tally["lost"] += ahead
            for number in range(
                self.expected + max(0, ahead - MOST_OVERTAKEN), self.expected + ahead
            ):
                self.missing[number % MOST_OVERTAKEN] = number & SEQUENCE_MASK
        elif ahead:
            if self.missing.get(sequence % MOST_OVERTAKEN) == sequence:
                del self.missing[sequence % MOST_OVERTAKEN]
                self.tally["lost"] -= 1
                return
            if sequence and not (SEQUENCE_MASK - ahead >= MOST_OVERTAKEN and beyond):
                return
            self.missing.clear()
        if ahead:
            latest_us = later(time_us, self.newest_us)
            self.gap_us = later(self.gap_us, latest_us)
            self.unsure_us = later(self.unsure_us, latest_us)
        self.expected = (sequence + 1) & SEQUENCE_MASK

    def _kind(self, unit_id, time_us):
        if self.first_us is None:
            self.first_us = time_us
        if unit_id == -1:
            self.watermark_us = later(self.watermark_us, time_us)
            if self.unsure_us is not None:
                self.gap_us = later(self.gap_us, self.newest_us)
                self.unsure_us = None if time_us >= self.unsure_us else self.unsure_us
            return "watermarks"
        self.newest_us = later(self.newest_us, time_us)
        if unit_id not in self.unit_ids:
            return "unknown"
        row = self.unit_ids.index(unit_id)
        long_closed = self.closed_us is not None and time_us < self.closed_us - self.dedup_us
        if self.dedup_us and not long_closed and self._was_kept(time_us, row):
            return "duplicate"
        if self.closed_us is not None and time_us < self.closed_us:
            self.gap_us = later(self.gap_us, time_us)
            return "late"
        needed_us = min(self.open_from_us, self.newest_us - self.retain_us)
        if len(self.kept) >= self.capacity and self.kept[-self.capacity][0] >= needed_us:
            self.gap_us = later(self.gap_us, time_us)
            self.refused += 1
            return "lost"
        self.kept.append((time_us, row))
        return "on_time"

    def _was_kept(self, time_us, row):
        """Back along the unit's spikes that the ring still has, until one is too old."""
        for seen_us, seen_row in reversed(self.kept[-self.capacity :]):
            if seen_row != row:
                continue
            if seen_us == time_us:
                return True
            if seen_us < time_us - self.dedup_us:
                return False
        return False
