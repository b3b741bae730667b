"""Open Ephys GUI as a process: SESSION PORT START STOP TABLE UNITS; then it says what it sent."""

import json
import sys
import time
from pathlib import Path

from replay.open_ephys import Broadcaster, BroadcastSettings, onsets_of, write_units
from rtdecode.session import read_session

LEAD_S = 3.0  # a fit needs a moment; what is sent until then is before the first onset


def main(path, port, start_s, stop_s, table, units):
    session = read_session(path)
    if not Path(units).exists():
        write_units(session, Path(units))
    settings = BroadcastSettings(
        address=f"tcp://127.0.0.1:{port}",
        start_us=round((float(start_s) - LEAD_S) * 1e6),
        stop_us=round(float(stop_s) * 1e6),
        onsets_us=[t for t in onsets_of(session, table).tolist() if t >= float(start_s) * 1e6],
        drift_ppm=50.0,
    )
    broadcaster = Broadcaster(session, settings)
    broadcaster.wait(120.0)
    sys.stdin.readline()  # until the decoder listens, too
    broadcaster.play()
    time.sleep(1.0)
    broadcaster.close()
    said = {"spikes": broadcaster.sent_spikes, "onsets": broadcaster.sent_onsets}
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
