"""The watchdog: silent while the loop comes round, loud while it does not."""

import threading
import time

from rtdecode.watchdog import Watchdog

PATIENCE_S = 30.0


class Barks:
    """Times of the last round as told at each bark."""

    def __init__(self):
        self.told, self.heard = [], threading.Event()

    def __call__(self, round_us):
        self.told.append(round_us)
        self.heard.set()


def test_it_barks_at_a_loop_that_is_stuck_until_it_comes_round():
    now_us, barks = [10**9], Barks()
    dog = Watchdog(400_000, lambda: now_us[0], barks)
    dog.start()
    time.sleep(0.35)
    assert barks.told == []
    # Time goes on as at a real loop that hangs: in steps that are no sleep.
    while not barks.heard.wait(0.02):
        now_us[0] += 20_000
        assert now_us[0] < 10**9 + 10**8
    assert barks.told[0] == 10**9
    assert now_us[0] - 10**9 > 400_000
    dog.come_round()
    n = len(barks.told)
    time.sleep(0.35)
    assert len(barks.told) <= n + 1, "one may have been on its way"
    dog.close()
    assert not dog._thread.is_alive()


def test_a_machine_that_slept_is_no_loop_that_is_stuck():
    now_us, barks = [10**9], Barks()
    dog = Watchdog(400_000, lambda: now_us[0], barks)
    dog.start()
    time.sleep(0.15)
    now_us[0] += 3_600_000_000  # an hour between two looks
    time.sleep(0.05)
    dog.come_round()
    time.sleep(0.35)
    dog.close()
    assert barks.told == []
