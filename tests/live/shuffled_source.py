"""A source that shuffles spikes within 20 ms, sends some twice, and adds strangers and nonsense.

Run as a process: SESSION START STOP watermarks|silent TALLY_FILE. With ``silent`` it sends
no watermark at all but the last. What it sent, by kind, goes into the tally file.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from replay.player import Player, ReplaySettings
from replay.run import LINGER_S, wait_for_decoder
from rtdecode import streams
from rtdecode.markers import END_MARKER
from rtdecode.session import read_session
from rtdecode.session.model import Units

DISORDER_US = 20_000
STRANGER = 77


def main(path, start_s, stop_s, mode, tally_file):
    session = read_session(path)
    settings = ReplaySettings(start_us=round(start_s * 1e6), stop_us=round(stop_s * 1e6))
    player = Player(session, settings)  # for its stretch, markers and marker stream alone
    player._spikes = None
    rows, tally = shuffled_rows(player, np.random.default_rng(5))
    Path(tally_file).write_text(json.dumps(tally))
    outlet = streams.SpikeOutlet(all_units(session.units))
    wait_for_decoder()
    while not (outlet.has_consumers() and player._stimuli.has_consumers()):
        time.sleep(0.01)
    send(player, outlet, rows, mode == "watermarks")
    time.sleep(LINGER_S)


def all_units(units):
    """The session's units and one that no bundle knows."""
    extra = Units(*(np.array([v]) for v in (STRANGER, "", np.nan, "")))
    fields = ("ids", "areas", "depths_um", "probes")
    return Units(*(np.append(getattr(units, f), getattr(extra, f)) for f in fields))


def shuffled_rows(player, random):
    """(arrival, unit id, time) of every row, and the tally that a decoder must find."""
    times_us, ids = player._times_us, player._ids
    n = len(times_us)
    twice = random.choice(n, 50, replace=False)
    strangers = random.choice(times_us, 30)
    ids = np.concatenate([ids, ids[twice], np.full(30, STRANGER), np.full(10, -2)])
    nonsense = random.choice(times_us, 10)
    times_us = np.concatenate([times_us, times_us[twice], strangers, nonsense])
    arrival_us = times_us + random.integers(0, DISORDER_US, len(times_us))
    order = np.argsort(arrival_us, kind="stable")
    tally = {"on_time": n, "late": 0, "duplicate": 50, "unknown": 30, "malformed": 10, "lost": 0}
    return (arrival_us[order], ids[order].astype(np.int32), times_us[order]), tally


def send(player, outlet, rows, watermarks):
    """Each row at its arrival time, watermarks that trail by the disorder."""
    arrival_us, ids, times_us = rows
    shift_us = streams.clock_us() + 200_000 - player.start_us
    outlet.push(np.array([-1], np.int32), np.array([player.start_us + shift_us]))
    sent = markers = 0
    end_us = player.stop_us + 2 * DISORDER_US
    while sent < len(ids) or streams.clock_us() - shift_us < end_us:
        now_us = streams.clock_us() - shift_us
        while markers < len(player.markers) and player.markers[markers].onset_us <= now_us:
            marker = player.markers[markers]
            player._stimuli.push_json(marker.fields, marker.onset_us + shift_us)
            markers += 1
        upto = int(np.searchsorted(arrival_us, now_us))
        chunk_ids, chunk_us = ids[sent:upto], times_us[sent:upto]
        if watermarks:
            chunk_ids = np.append(chunk_ids, np.int32(-1))
            chunk_us = np.append(chunk_us, now_us - DISORDER_US)
        if len(chunk_ids):
            outlet.push(chunk_ids, chunk_us + shift_us)
        sent = upto
        time.sleep(0.002)
    player._stimuli.push_json(END_MARKER, player.stop_us + shift_us)
    outlet.push(np.array([-1], np.int32), np.array([end_us + shift_us]))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4], sys.argv[5])
