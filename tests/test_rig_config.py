"""The rig's TOML: what it says is checked, what the command line says goes first."""

import operator
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtdecode import cli
from rtdecode.errors import UserError
from rtdecode.live_settings import LiveSettings, settings_of
from rtdecode.rig import Rig
from rtdecode.rig_file import as_toml, load_rig

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def write(folder, text):
    path = folder / "rig.toml"
    path.write_text(text)
    return path


def models(model=Rig, prefix=""):
    """Every field by its key with dots, tables' fields included."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and hasattr(inner, "model_fields"):
            assert inner.__doc__
            yield from models(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


FIELDS = dict(models())


def test_the_sections_are_there():
    tables = {"streams", "engine", "trigger", "outputs", "markers", "record", "subject", "display"}
    assert set(Rig.model_fields) == {"bundle", "name"} | tables
    assert len(FIELDS) > 30


@pytest.mark.parametrize("key", FIELDS)
def test_every_field_says_what_it_is(key):
    assert len(FIELDS[key].description or "") > 5
    assert f"# {FIELDS[key].description}." in as_toml(Rig())


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
def test_the_examples_are_valid_and_say_more_than_the_defaults(path):
    rig = load_rig(path)
    assert rig != Rig()
    assert rig.trigger.classes


def test_there_are_examples():
    assert (EXAMPLES / "rig.toml").is_file()


def test_the_effective_settings_read_back_as_they_are(tmp_path):
    rig = load_rig(EXAMPLES / "rig.toml", ["trigger.threshold=0.75", "outputs.serial.port=COM3"])
    assert load_rig(write(tmp_path, as_toml(rig))) == rig


def test_the_file_changes_defaults_o_the_file_and_options_all(tmp_path):
    path = write(tmp_path, "[engine]\nlateness_ms = 10.0\nstale_ms = 500.0\ndeadline_ms = 7\n")
    given = {"engine.deadline_ms": 3.0, "engine.backend": None}
    engine = load_rig(path, ["engine.stale_ms=400", "engine.deadline_ms=4"], given).engine
    assert (engine.lateness_ms, engine.stale_ms, engine.deadline_ms) == (10.0, 400.0, 3.0)
    assert engine.backend == "torchscript", "an option not given changes nothing"


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("trigger.threshold=0.5", "threshold", 0.5),
        ("trigger.threshold = 1", "threshold", 1.0),
        ('trigger.classes=["0", "90"]', "classes", ("0", "90")),
        ("trigger.classes=90", "classes", ("90",)),
        ("trigger.classes=0.04", "classes", ("0.04",)),
        ("trigger.classes=natural", "classes", ("natural",)),
        ("trigger.combine=any", "combine", "any"),
    ],
)
def test_an_override_is_read_as_toml_and_else_as_text(override, key, value):
    assert getattr(load_rig(None, [override]).trigger, key) == value


def test_paths_in_the_file_are_relative_to_it_and_those_of_the_command_line_to_here(tmp_path):
    path = write(tmp_path, 'bundle = "b.pt"\n[record]\nfile = "run.nwb"\n[display]\nimages = ""\n')
    rig = load_rig(path, ["record.file=other.nwb"])
    assert (rig.bundle, rig.record.file) == (tmp_path / "b.pt", Path("other.nwb"))
    assert rig.display.images is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[trigger]\nthreshold = 1.5", r"trigger\.threshold .*less than or equal to 1, found 1\.5"),
        ("[trigger]\ntreshold = 0.5", r"trigger\.treshold: did you mean trigger\.threshold\?"),
        ("[triger]\nthreshold = 0.5", r"no setting is called triger: did you mean trigger\?"),
        ("[engine]\nspeed = 2", r"engine knows ahead_ms, backend"),
        ("[trigger]\nthreshold = true", r"trigger\.threshold .*a number, found True"),
        ('[trigger]\nthreshold = "0.9"', r"trigger\.threshold .*a number, found '0\.9'"),
        ("[trigger]\nthreshold = nan", r"trigger\.threshold .*found nan"),
        ("[trigger]\nwindows = 1.5", r"trigger\.windows .*found 1\.5: give one, as .* = 1"),
        ("[trigger]\nclasses = [true]", r'trigger\.classes.* as trigger\.classes = \["90"\]'),
        ("[trigger]\nseed = 1979-05-27", r"trigger\.seed .*found '1979-05-27'"),
        ("engine = 3", r"engine \(.*\) expects .*write it as a table, \[engine\]"),
        ("[outputs]\nserial = 3", r"write it as a table, \[outputs\.serial\]"),
        ("[outputs.serial]\nbyte = 256", r"outputs\.serial\.byte .*found 256"),
        ("[markers]\nmap = {a = 90}", r"markers\.map\.a .*found 90"),
        ('name = "../up"', r"name .*found '\.\./up': give one, as name = \"left-rig\""),
        ("bundle = 3", r'bundle .* as bundle = "decoder\.pt"'),
        ("record = []", r"write it as a table, \[record\]"),
        ("a = 1\nb = 2", r"\(and 1 more\)"),
        ("[trigger", r"expected TOML in .*: mend that line"),
        ("a = " + "[" * 5000, r"expected TOML in"),
        ("a = 1" + "0" * 5000, r"expected TOML in"),
        ("x = 'é'\n[trigger", r"expected TOML in"),
    ],
)
def test_what_is_wrong_is_told_with_its_field_and_its_mend(tmp_path, text, told):
    path = write(tmp_path, text)
    with pytest.raises(UserError, match=told) as caught:
        load_rig(path)
    said = str(caught.value)
    assert str(path) in said
    assert "\n" not in said or "expected TOML" in said


def test_a_wrong_override_is_told_as_one(tmp_path):
    path = write(tmp_path, "[trigger]\nthreshold = 0.5")
    with pytest.raises(UserError, match=r"^-o: trigger\.threshold .*found 7"):
        load_rig(path, ["trigger.threshold=7"])
    with pytest.raises(UserError, match=r"^-o: no setting is called triger: did you mean trigger"):
        load_rig(path, ["triger.threshold=0.7"])


@pytest.mark.parametrize("text", ["trigger.threshold", "=3", "a..b=3", ".=1"])
def test_an_override_that_is_none_is_told(text):
    with pytest.raises(UserError, match="-o expects KEY=VALUE"):
        load_rig(None, [text])


def test_an_override_into_a_value_is_told(tmp_path):
    with pytest.raises(UserError, match="expects name to be a table"):
        load_rig(write(tmp_path, 'name = "rig"'), ["name.first=x"])


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(UserError, match="rtdecode config --print"):
        load_rig(tmp_path / "none.toml")
    with pytest.raises(UserError, match="expected a rig's settings at"):
        load_rig(tmp_path)
    latin = tmp_path / "latin.toml"
    latin.write_bytes("name = 'é'".encode("latin-1"))
    with pytest.raises(UserError, match="expected TOML"):
        load_rig(latin)


def test_a_file_of_gigabytes_is_not_read(tmp_path):
    path = tmp_path / "huge.toml"
    with path.open("wb") as file:
        os.truncate(file.fileno(), 1 << 32)
    with pytest.raises(UserError, match="more than 1,048,576 bytes"):
        load_rig(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def outcome(path, given=None):
    """What the user is told: an error's line, or nothing but settings."""
    try:
        load_rig(path, given=given)
    except UserError as error:
        return str(error)
    return "settings"


@given(st.sampled_from([*FIELDS, "trigger", "nothing", "outputs.serial"]), VALUES)
def test_any_value_at_any_key_is_settings_or_a_users_error(key, value):
    said = outcome(None, {key: value})
    assert said == "settings" or "expects" in said or "no setting" in said


@given(st.text(max_size=200) | st.from_regex(r"(\[?[a-z.]{1,9}\]? ?= ?[\w\".{}\[\]]{0,9}\n?){1,5}"))
def test_any_text_is_settings_or_a_users_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("rig") / "rig.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    said = outcome(path)
    assert said == "settings" or str(path) in said


@pytest.mark.parametrize(
    ("override", "attribute", "value"),
    [
        ("engine.lateness_ms=7.5", "engine.lateness_us", 7_500),
        ("engine.dedup_ms=1", "engine.dedup_us", 1_000),
        ("engine.ahead_ms=2", "engine.ahead_us", 2_000),
        ("engine.retain_ms=3", "engine.retain_us", 3_000),
        ("engine.ring_spikes=4096", "engine.capacity", 4096),
        ("engine.sliding_ms=12.5", "engine.hop_us", 12_500),
        ("engine.early=true", "engine.early", True),
        ("engine.decide_at=0.7", "engine.decide_at", 0.7),
        ("engine.stale_ms=400", "stale_us", 400_000),
        ("engine.deadline_ms=4", "deadline_ms", 4.0),
        ("engine.backend=event", "backend", "event"),
        ("engine.compiled=false", "native", False),
        ("name=left", "name", "left"),
        ("streams.stimuli=cues", "stimuli", "cues"),
        ("trigger.threshold=0.6", "trigger.threshold", 0.6),
        ("outputs.serial.byte=9", "outputs.serial.byte", 9),
    ],
)
def test_each_setting_reaches_the_decoder(override, attribute, value):
    reach = operator.attrgetter(attribute)
    assert reach(settings_of(load_rig(None, [override]))) == value
    assert reach(settings_of(Rig())) != value


def test_a_rig_that_says_nothing_has_the_decoders_own_defaults():
    assert settings_of(Rig()) == LiveSettings()


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """The command line in this process: exit code, standard output, standard error."""

    def run(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["rtdecode", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, *capsys.readouterr()

    return run


def test_the_command_prints_the_effective_settings(run, tmp_path):
    code, out, _ = run("config", "--print", "--config", EXAMPLES / "rig.toml", "-o", "name=other")
    assert code == 0
    assert load_rig(write(tmp_path, out)) == load_rig(EXAMPLES / "rig.toml", ["name=other"])
    code, out, _ = run("config", "--config", EXAMPLES / "rig.toml")
    assert (code, out) == (0, f"{EXAMPLES / 'rig.toml'}: good\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("config", "--config", "absent.toml"), "expected a rig's settings at absent.toml"),
        (("config", "-o", "trigger.treshold=1"), "did you mean trigger.threshold?"),
        (("decode",), "expected a bundle on the command line or as bundle in the rig's settings"),
        (("decode", "--config", "absent.toml"), "expected a rig's settings"),
        (("decode", "b.pt", "-o", "engine.backend=magic"), "engine.backend"),
        (("decode", "b.pt", "--backend", "magic"), "engine.backend"),
        (("decode", "b.pt", "-o", "name=../up"), "name (What the decoder is armed"),
        (("arm", "--decoder", "nobody"), "'nobody' that you started"),
    ],
)
def test_what_is_wrong_is_one_line_and_code_2(run, arguments, says):
    code, out, said = run(*arguments)
    assert (code, out) == (2, "")
    (line,) = said.strip().splitlines()
    assert line.startswith("rtdecode: ")
    assert says in line
