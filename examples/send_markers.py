"""Stimulus onsets on the wire, from PsychoPy or any other Python program.

    python examples/send_markers.py --trials 5

In PsychoPy the marker belongs to the flip that shows the stimulus:

    window.callOnFlip(lambda: send(outlet, "90"))
    window.flip()

Three forms are understood: a plain label, JSON, and ``key=value`` pairs. The stamp is the onset;
a photodiode on a TTL line knows it better than the flip does.
"""

import argparse
import json
import time

import pylsl

ORIENTATIONS = (0, 45, 90, 135)


def outlet_of(name="rtdecode-stimuli"):
    """A stream of type Markers."""
    info = pylsl.StreamInfo(name, "Markers", 1, 0.0, pylsl.cf_string, f"{name}-stimulus-computer")
    return pylsl.StreamOutlet(info)


def send(outlet, text):
    """A marker whose stamp is now."""
    outlet.push_sample([text], pylsl.local_clock())


def forms_of(orientation):
    """The same stimulus in each of the three forms."""
    return {
        "plain": f"{orientation}",
        "json": json.dumps({"label": orientation, "contrast": 0.8}),
        "pairs": f"label={orientation}; contrast=0.8",
    }


def main():
    """Send a marker every half a second."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--form", choices=sorted(forms_of(0)), default="plain")
    parser.add_argument("--wait", action="store_true", help="until somebody listens")
    options = parser.parse_args()
    outlet = outlet_of()
    while options.wait and not outlet.have_consumers():
        time.sleep(0.05)
    for trial in range(options.trials):
        send(outlet, forms_of(ORIENTATIONS[trial % 4])[options.form])
        time.sleep(0.5)
    print(f"sent {options.trials} markers")


if __name__ == "__main__":
    main()
