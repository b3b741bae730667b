"""Who has taken the processor: the processes that are measured, and everybody else."""

from __future__ import annotations

import time

import psutil


class Cores:
    """Counts from now on.

    Parameters
    ----------
    processes : psutil.Process
        By the name that each is told under.
    """

    def __init__(self, **processes: psutil.Process) -> None:
        self._processes = processes
        self._began_s, self._before = time.perf_counter(), self._busy_s()

    def _busy_s(self) -> dict[str, float]:
        """Seconds of processor time so far, of each and of the whole machine."""
        own = {name: process.cpu_times() for name, process in self._processes.items()}
        busy = {name: taken.user + taken.system for name, taken in own.items()}
        machine = psutil.cpu_times()
        idle = machine.idle + getattr(machine, "iowait", 0.0)
        # ``guest`` is part of ``user``.
        guest = getattr(machine, "guest", 0.0) + getattr(machine, "guest_nice", 0.0)
        return busy | {"machine": sum(machine) - idle - guest}

    def taken(self) -> dict[str, float]:
        """Cores that each has taken since, ``others_cores`` all the rest of the machine."""
        now, took_s = self._busy_s(), time.perf_counter() - self._began_s
        cores = {name: (now[name] - self._before[name]) / took_s for name in now}
        others = cores.pop("machine") - sum(cores.values())
        shares = cores | {"others": max(0.0, others)}
        return {f"{name}_cores": round(share, 2) for name, share in shares.items()}
