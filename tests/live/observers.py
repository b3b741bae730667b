"""A decoder and a source as processes, and all that the decoder says."""

import json
import subprocess
import time

from rtdecode import control, streams
from rtdecode.bundle import load_bundle
from rtdecode.microseconds import US_PER_S

PATIENCE_S = 60.0
SEEN_S = 0.5  # a fault shows within this
NAME = "under-test"
OPEN_LIMITS = ("trigger.refractory_ms=0", "trigger.per_minute=6000", "trigger.per_session=1000000")


class Heard:
    """The decoder's health, decisions and triggers, as they come."""

    def __init__(self, decoder):
        self.said = {name: [] for name in (streams.HEALTH, streams.DECISIONS, streams.TRIGGERS)}
        self._inlets = {}
        for name in self.said:
            found = self._find(name, decoder)
            self._inlets[name] = streams.TextInlet(found)
            self._inlets[name].open()

    def _find(self, name, decoder):
        """A stream of a decoder that lives."""
        lookout = streams.Lookout(name, streams.TEXT_FORMAT)
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            assert decoder.poll() is None, decoder.communicate()
            if (found := lookout.wait(0.5)) is not None:
                return found
        raise AssertionError(f"no stream {name}")

    def listen(self, wait_s=0.0):
        """Take in what was said."""
        time.sleep(wait_s)
        for name, inlet in self._inlets.items():
            for text, stamp_us in inlet.pull():
                self.said[name].append(
                    json.loads(text, parse_constant=_no_json) | {"at_us": stamp_us}
                )

    def until(self, name, wanted, after_us=0):
        """The first message of a stream that is wanted, of those stamped later than this."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            self.listen(0.01)
            for message in self.said[name]:
                if message["at_us"] > after_us and wanted(message):
                    return message
        raise AssertionError(f"waited in vain; the last of {name} was {self.said[name][-1:]}")

    def health(self, wanted, after_us=0):
        """The first health message that is wanted."""
        return self.until(streams.HEALTH, wanted, after_us)

    def state(self, *states, after_us=0):
        """The first health message of one of these states."""
        return self.health(lambda said: said["state"] in states, after_us)

    def more(self, name, windows, after_us):
        """Wait until so many windows more have been spoken of."""
        first = self.until(name, lambda said: True, after_us)["window"]
        self.until(name, lambda said: said["window"] >= first + windows, after_us)

    def fired(self, after_us=0):
        """The first trigger that fired."""
        return self.until(streams.TRIGGERS, lambda said: said["fired"], after_us)

    def refused(self, reason, after_us=0):
        """The first answer that was refused for this."""
        return self.until(streams.TRIGGERS, lambda said: said["reason"] == reason, after_us)

    def firings(self, after_us=0):
        """Triggers that have fired so far."""
        self.listen()
        told = self.said[streams.TRIGGERS]
        return [said for said in told if said["fired"] and said["at_us"] > after_us]


def _no_json(text):
    raise AssertionError(f"{text} is no JSON")


class Rig:
    """One source, one decoder, and what is heard of it."""

    def __init__(self, commands, bundle, *options, source_id="the-rig", name=NAME):
        self.commands, self.bundle, self.name = commands, bundle, name
        settings = ["trigger.classes=go", f"name={name}", *OPEN_LIMITS, *options]
        told = [word for setting in settings for word in ("-o", setting)]
        self.decoder = commands.start("decode", bundle, *told)
        self.source_id = source_id
        self.source = start_source(commands, source_id)
        self.heard = Heard(self.decoder)

    def tell(self, *words):
        """Have the source do something; the LSL clock's microseconds when it was done."""
        return tell(self.source, *words)

    def send(self, command, **arguments):
        """Ask the decoder for something."""
        return control.send(self.name, command, PATIENCE_S, **arguments)

    def restart_source(self):
        """The same source again, after its death."""
        self.source = start_source(self.commands, self.source_id)

    def fires(self):
        """Armed and told to go, it fires; when, in the LSL clock's microseconds."""
        self.heard.state("DECODING", after_us=streams.clock_us())
        asked_us = self.tell("set", "go", "on")
        self.send("arm")
        return self.heard.fired(asked_us)["at_us"]

    def checked(self):
        """Every trigger that fired did so for a whole, sure, sound window; how many there were."""
        missing_share = 0.01
        firings = self.heard.firings()
        if firings:
            wanted = firings[-1]["window"]
            self.heard.until(streams.DECISIONS, lambda said: said["window"] >= wanted)
        decisions = {said["window"]: said for said in self.heard.said[streams.DECISIONS]}
        for said in firings:
            decision = decisions[said["window"]]
            assert decision["top"] == "go"
            assert decision["p"] >= 0.9
            assert decision["complete"]
            spikes = decision["spikes"]
            assert spikes["late"] + spikes["lost"] <= missing_share * sum(spikes.values())
            assert said["mode"] in ("armed", "sham")
        return len(firings)


def note(request, begin_us, message):
    """Write down how long after a fault the decoder told of it: a property of the test's report."""
    seen_s = round(seconds_between(begin_us, message), 3)
    request.node.user_properties.append(("seen_s", seen_s))


def start_source(commands, source_id):
    """A source as a process that can be told what to do."""
    return commands.start_python("-m", "tests.live.go_source", source_id, stdin=subprocess.PIPE)


def tell(source, *words):
    """One line to a source; when it was done."""
    source.stdin.write(" ".join(map(str, words)) + "\n")
    source.stdin.flush()
    return json.loads(source.stdout.readline())["at_us"]


def seconds_between(begin_us, message):
    """From a time to a message, seconds."""
    return (message["at_us"] - begin_us) / US_PER_S


def sha256_of(path):
    """What a bundle's decisions say they were made by."""
    from rtdecode.bundle import file_sha256

    load_bundle(path)
    return file_sha256(path)
