"""Session files: damaged, and made up of tables that no writer makes."""

import contextlib
import functools
import json
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pynwb.core

from rtdecode.engine import Engine
from rtdecode.record.again import decode_record
from rtdecode.record.journal import JournalReader
from rtdecode.record.nwb import write_record
from rtdecode.record.read import is_record, read_record
from rtdecode.session import read_session
from rtdecode.session.quality import QualityFilter
from rtdecode.windows import WindowSpec
from tests.fuzz.mutate import TEXTS, as_text, mutate_bytes, mutate_json
from tests.live.test_record_journal import written
from tests.session.test_hostile import write_good

COLUMNS = (
    *("id", "spike_times", "spike_times_index", "spike_times_index_index", "location", "quality"),
    *("peak_channel_id", "electrodes", "electrodes_index", "group_name", "snr", "start_time"),
    *("stop_time", "label", "tags", "tags_index", "angle", "stimulus_block", "depth", "valid_data"),
)
GROUPS = (
    *("units", "intervals/trials", "intervals/invalid_times", "stimulus/presentation/x"),
    *("general/extracellular_ephys/electrodes", "processing/running/running_speed", "intervals"),
)
LARGE = 1 << 48


class DamagedSession:
    """A good file with wrong bytes."""

    def prepare(self, folder):
        self.good = write_good(folder / "good.nwb")
        (folder / "good.nwb").unlink()

    def make(self, rng, folder):
        (folder / "session.nwb").write_bytes(mutate_bytes(rng, self.good))

    def use(self, folder):
        check(read_session(folder / "session.nwb"))


class MadeUpSession:
    """A file that HDF5 finds good, and nobody else."""

    def prepare(self, folder):
        pass

    def make(self, rng, folder):
        path = folder / "session.nwb"
        path.unlink(missing_ok=True)
        with h5py.File(path, "w") as file:
            file.attrs["nwb_version"] = rng.choice(("2.7.0", "", "1", "9" * 50))
            rows = rng.randrange(5)
            for place in rng.sample(GROUPS, rng.randint(1, 4)):
                for name in rng.sample(COLUMNS, rng.randint(1, 7)):
                    put(rng, file, f"{place}/{name}", rows)
            # So that most have a table of units to be found wrong in.
            if rng.random() < 0.8:
                put_units(rng, file)

    def use(self, folder):
        check(read_session(folder / "session.nwb", quality=QualityFilter.off()))


def put_units(rng, file):
    """A unit table that would do, but for one column."""
    good = {"id": [1, 2], "spike_times": [0.1, 0.2, 0.3], "spike_times_index": [2, 3]}
    spoiled = rng.choice([*good, ""])
    for name, values in good.items():
        if f"units/{name}" in file:
            del file[f"units/{name}"]
        if name == spoiled:
            put(rng, file, f"units/{name}", 2)
        elif "units" not in file or isinstance(file.get("units"), h5py.Group):
            file[f"units/{name}"] = values


def put(rng, file, place, rows):
    """Something of this name: a dataset of any kind, a link, a group."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):  # HDF5 will not have it
        _put(rng, file, place, rows)


def _put(rng, file, place, rows):
    match rng.randrange(20):
        case 0:
            file[place] = h5py.SoftLink(rng.choice(("/units", "/nowhere", place, "/")))
        case 1:
            file[place] = h5py.ExternalLink("elsewhere.nwb", "/units/id")
        case 2:
            file.create_group(place)
        case 3:
            file.create_dataset(place, (LARGE,), rng.choice(("f8", "i4")), chunks=(1024,))
        case 4:
            file.create_dataset(place, (LARGE,), "f8")
        case 5:
            data = np.zeros(rows, [("a", "i4"), ("b", "f8")])
            file.create_dataset(place, data=data)
        case 6:
            file.create_dataset(place, data=np.zeros((rows, 2, rng.randrange(3))))
        case 7:
            file[place] = rng.choice((1.5, "text", np.nan))
        case 8:
            dataset = file.create_dataset(place, data=np.arange(rows))
            dataset.attrs["elements"] = rng.choice((file.ref, "text", 3))
        case 9:
            file.create_dataset(place, data=[file.ref] * rows, dtype=h5py.ref_dtype)
        case 10:
            file.create_dataset(place, data=np.arange(rows) * 1j)
        case 11:
            vlen = h5py.vlen_dtype(np.int32)
            file.create_dataset(place, (rows,), dtype=vlen)
        case _:
            file.create_dataset(place, data=column(rng, rows))


def column(rng, rows):
    """A column of numbers or text, with what is at their edges."""
    n = rows if rng.random() < 0.8 else rng.randrange(6)
    kind = rng.randrange(6)
    if kind == 0:
        edges = (0.0, -1.0, np.nan, np.inf, -np.inf, 1e300, 9e9, 9.1e9, 1e-320)
        return np.array([rng.choice(edges) for _ in range(n)])
    if kind == 1:
        return np.array([rng.randint(-3, 5) for _ in range(n)], rng.choice(("i1", "i4", "i8")))
    if kind == 2:
        return np.array([rng.choice((0, 2**63, 2**64 - 1)) for _ in range(n)], np.uint64)
    if kind == 3:
        words = [text for text in TEXTS if "\0" not in text and text.isprintable()]
        return np.array([rng.choice(words) for _ in range(n)], object).astype(h5py.string_dtype())
    if kind == 4:
        return np.array([bytes(rng.randrange(256) for _ in range(4)) for _ in range(n)], "S4")
    return np.array([rng.random() < 0.5 for _ in range(n)], bool)


def check(session):
    """What was read is a session."""
    assert len(session.spike_offsets) == len(session.units) + 1
    assert session.spike_offsets[-1] == len(session.spike_times_us)
    for table in session.presentations.values():
        assert (np.diff(table.start_us) >= 0).all()
        assert {len(table)} == {len(table.stop_us), *map(len, table.columns.values())}


class DamagedRecord:
    """A run's record with wrong bytes, or wrong words in it."""

    def prepare(self, folder):
        journal = written_with_counts(folder / "run.nwb.journal")
        journal.add_stream({"key": "decisions-3", "role": "decisions", "name": "d"})
        journal.texts("decisions-3", [(as_decision(i), i) for i in range(3)], 5)
        journal.close({})
        write_record(JournalReader(folder / "run.nwb.journal"), folder / "run.nwb")
        self.good = (folder / "run.nwb").read_bytes()
        with h5py.File(folder / "run.nwb") as file:
            self.notes = file["general/notes"][()].decode()
        self.use(folder)  # compiles: no case is to be taken for one that hangs
        clear(folder)

    def make(self, rng, folder):
        path = folder / "run.nwb"
        if rng.random() < 0.5:
            path.write_bytes(mutate_bytes(rng, self.good))
            return
        path.write_bytes(self.good)
        with h5py.File(path, "a") as file:
            del file["general/notes"]
            file["general/notes"] = clean(mutated(rng, self.notes))
            texts = file["processing/rtdecode/decisions/data"]
            texts[0] = clean(mutated(rng, as_decision(0)))

    def use(self, folder):
        if is_record(folder / "run.nwb"):
            record = read_record(folder / "run.nwb")
            treatment = record.treatment().settings()
            list(decode_record(small_engine(treatment), record))


def written_with_counts(folder):
    """A journal of every kind of stream, counts too."""
    journal = written(folder, 8)
    journal.add_stream({"key": "counts-4", "role": "counts", "name": "c"})
    for i in range(8):
        samples = np.array([[2, 3 * i], [2, 3 * i + 1], [-1, 3 * i + 2]], np.int32)
        times_us = 5_000_000 + i * 1000 + np.array([0, 0, 500])
        journal.rows("counts-4", samples, times_us, 5_000_700 + i * 1000)
    return journal


def small_engine(settings):
    """An engine of the record's treatment, its ring no larger than a test needs."""
    small = replace(settings, capacity=min(settings.capacity, 1 << 10))
    answer = np.array([0.5, 0.5], np.float32)
    return Engine(np.array([4, 2]), WindowSpec(0, 10_000, 1000), lambda counts: answer, small)


def as_decision(number):
    """A decision's message."""
    said = {"window": number, "onset_us": 5_001_000 * (number + 1), "session_us": None}
    said |= {"label": "a", "top": "a", "p": 0.5, "closed_by": "watermark", "complete": True}
    said |= {
        "in_window": 3,
        "spikes": {"on_time": 3},
        "rows": {"s": 5, "c": 2},
        "taken": {"s": 6, "c": 3},
    }
    said |= {"first_us": {"c": 5_001_000}}
    return json.dumps(said | {"bundle": "x"})


def mutated(rng, text):
    """JSON with something else in it."""
    return as_text(rng, mutate_json(rng, json.loads(text)))


def clean(text):
    """What HDF5 takes as text."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


class DamagedJournal:
    """A recorder's journal with wrong bytes."""

    def prepare(self, folder):
        remember_types()
        written_with_counts(folder / "good.journal").close({})
        self.good = {path.name: path.read_bytes() for path in (folder / "good.journal").iterdir()}
        clear(folder)

    def make(self, rng, folder):
        clear(folder)
        journal = folder / "run.nwb.journal"
        journal.mkdir()
        spoiled = rng.choice([*self.good, "about.json"])
        for name, content in self.good.items():
            (journal / name).write_bytes(content)
        content = self.good[spoiled]
        if spoiled == "about.json" and rng.random() < 0.8:
            content = mutated(rng, content.decode()).encode("utf-8", "replace")
        else:
            content = mutate_bytes(rng, content)
        (journal / spoiled).write_bytes(content)

    def use(self, folder):
        write_record(JournalReader(folder / "run.nwb.journal"), folder / "run.nwb")
        (folder / "run.nwb").unlink()


def remember_types():
    """Let pynwb copy its map of types once and write no schema: most of a case's time."""
    pynwb.core.get_type_map = functools.cache(pynwb.get_type_map)
    write = pynwb.NWBHDF5IO.write
    pynwb.NWBHDF5IO.write = functools.partialmethod(write, cache_spec=False)


def clear(folder):
    """Take everything in a folder away."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
