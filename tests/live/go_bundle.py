"""A decoder whose answer the source sets: one unit's spike says go, many of another NaN."""

import sys

import torch

from rtdecode.bundle import BundleInfo, save_bundle
from rtdecode.tasks import LabelRule, TableRule
from rtdecode.windows import WindowSpec

GO, HANG, NAN = 10, 18, 19  # unit ids
UNITS = tuple(range(10, 20))
CLASSES = ("go", "stop")
MANY = 20  # as in the script below, which knows no globals
P_GO = 0.95


class Go(torch.nn.Module):
    """Counts (n, bins, units) to probabilities (n, 2)."""

    def __init__(self, p_go: float):
        super().__init__()
        self.p_go = p_go

    def hang(self) -> torch.Tensor:
        """Some seconds of work."""
        a = torch.ones(512, 512)
        for _ in range(200):
            a = torch.tanh(a @ a)
        return a.sum()

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        spikes = counts.sum(dim=1)
        went = (spikes[:, 0] > 0).to(torch.float32)
        p = went * self.p_go + (1 - went) * (1 - self.p_go)
        # 0 / 0 where the other unit has fired a lot.
        fine = (spikes[:, 9] < 20).to(torch.float32)
        p = p * fine / fine
        if int(spikes[0, 8]) >= 20:
            p = p + self.hang() * 0
        return torch.stack([p, 1 - p], dim=1)


def write_go_bundle(path, p_go=P_GO, units=UNITS, calibration_error=0.01):
    """The bundle; 100 ms in bins of 25."""
    info = BundleInfo(
        model="go",
        task="go",
        label_rule=LabelRule(task="go", tables={"cues": TableRule(columns=("cue",))}),
        classes=CLASSES,
        unit_ids=units,
        unit_areas=("",) * len(units),
        window=WindowSpec.parse("0:100:25"),
        metrics={"calibration_error": calibration_error},
    )
    return save_bundle(Go(p_go), info, path)


if __name__ == "__main__":
    write_go_bundle(sys.argv[1])
