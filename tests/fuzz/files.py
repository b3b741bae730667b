"""Bundles and settings: damaged, and good in form with something else inside."""

import io
import json
import tomllib
import zipfile
from pathlib import Path

from offline.train import train_bundle
from rtdecode.bundle import INFO_FILE, load_bundle
from rtdecode.decoder import Decoder
from rtdecode.engine import EngineSettings
from rtdecode.rig import Rig
from rtdecode.rig_file import as_toml, load_rig
from rtdecode.virtual import new_engine
from rtdecode.windows import WindowSpec
from tests.decoding.sessions import tuned_session
from tests.fuzz.mutate import TEXTS, hostile_value, mutate_bytes, mutate_json

EXAMPLE = Path(__file__).parents[2] / "examples" / "rig.toml"


class Bundle:
    """A bundle with wrong bytes, or whose parts are others, their check sums right."""

    def prepare(self, folder):
        path = folder / "good.pt"
        window, task = WindowSpec.parse("0:100:50"), "drifting_gratings.orientation"
        train_bundle(tuned_session(n_units=6, trials=12), task, "lda", window, path)
        self.good = path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            self.parts = {name: archive.read(name) for name in archive.namelist()}
        path.unlink()

    def make(self, rng, folder):
        content = mutate_bytes(rng, self.good) if rng.random() < 0.3 else self._rebuilt(rng)
        (folder / "bundle.pt").write_bytes(content)

    def use(self, folder):
        module, info = load_bundle(folder / "bundle.pt")
        assert len(info.unit_ids) == len(info.unit_areas)
        # What a decoder does with it before its first window.
        decoder = Decoder(module, info)
        decoder.warm_up(1)
        engine = new_engine(decoder, EngineSettings(capacity=16))
        assert engine.mark(0).end_us == info.window.offset_us + info.window.duration_us

    def _rebuilt(self, rng):
        parts = dict(self.parts)
        (told,) = [name for name in parts if name.endswith(INFO_FILE)]
        victim = told if rng.random() < 0.5 else rng.choice(list(parts))
        if victim == told and rng.random() < 0.9:
            parts[told] = json.dumps(mutate_json(rng, json.loads(parts[told]))).encode()
        elif rng.random() < 0.3:
            del parts[victim]
        elif rng.random() < 0.05:
            parts[victim] = bytes(1 << 24)
        else:
            parts[victim] = mutate_bytes(rng, parts[victim])
        return zipped(parts, zipfile.ZIP_DEFLATED if rng.random() < 0.1 else zipfile.ZIP_STORED)


def zipped(parts, how):
    """A zip of these parts."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", how) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target.getvalue()


class RigFile:
    """A rig's TOML with other words in it."""

    def prepare(self, folder):
        self.lines = EXAMPLE.read_text().splitlines()

    def make(self, rng, folder):
        lines = list(self.lines)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(lines))
            key, equals, _ = lines[place].partition("=")
            if equals and rng.random() < 0.7:
                lines[place] = f"{key}= {toml_value(rng)}"
            elif rng.random() < 0.5:
                lines.insert(place, rng.choice(("[trigger]", "[a.b]", "x = 1", "[[engine]]", "\0")))
            else:
                del lines[place]
        content = "\n".join(lines).encode("utf-8", "replace")
        if rng.random() < 0.3:
            content = mutate_bytes(rng, content)
        (folder / "rig.toml").write_bytes(content)
        keys = ("trigger.threshold", "engine", "", "a.b.c", "streams.spikes", "trigger..x")
        self.overrides = [f"{rng.choice(keys)}={toml_value(rng)}"] if rng.random() < 0.3 else []

    def use(self, folder):
        rig = load_rig(folder / "rig.toml", self.overrides)
        assert Rig.model_validate(tomllib.loads(as_toml(rig))) == rig


def toml_value(rng):
    """A value as TOML, or nearly."""
    match rng.randrange(8):
        case 0:
            return rng.choice(("nan", "inf", "-inf", "1e400", "0x7f", "9" * 400, "1979-05-27"))
        case 1:
            return "[" * rng.choice((3, 5000)) + "]" * rng.choice((3, 5000))
        case 2:
            return "{ a = 1, b = { c = [1, 'x'] } }"
        case 3:
            return rng.choice(TEXTS)
        case _:
            return json.dumps(hostile_value(rng, 1))
