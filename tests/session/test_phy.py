"""Phy and Kilosort folders, one and several probes."""

import numpy as np
import pytest

from rtdecode.errors import UserError
from rtdecode.session import open_session, read_session, write_session

RATE = 30000.0
GROUPS = "cluster_id\tgroup\n2\tgood\n5\tnoise\n7\tmua\n11\tgood\n"


def make_phy(folder, groups=GROUPS, params=f"sample_rate = {RATE}\n", seed=0, clusters=None):
    folder.mkdir()
    rng = np.random.default_rng(seed)
    samples = np.sort(rng.integers(0, 10**6, 400)).astype(np.uint64)
    if clusters is None:
        clusters = rng.choice([2, 5, 7, 9], 400).astype(np.int32)
    np.save(folder / "spike_times.npy", samples)
    np.save(folder / "spike_clusters.npy", clusters)
    if params is not None:
        (folder / "params.py").write_text(params)
    if groups is not None:
        (folder / "cluster_group.tsv").write_text(groups)
    return folder, samples, clusters


@pytest.fixture
def phy(tmp_path):
    return make_phy(tmp_path / "imec0")


def test_units_and_spikes(phy):
    folder, samples, clusters = phy
    session = read_session(folder, quality=None)
    assert session.name == "imec0"
    assert session.units.ids.tolist() == [2, 5, 7, 9, 11]  # 11 never fired, 9 is unsorted
    assert session.units.probes.tolist() == ["imec0"] * 5
    np.testing.assert_array_equal(session.units.metrics["good"], [1, 0, 0, np.nan, 1])
    for row, cluster in enumerate(session.units.ids):
        expected = np.rint(samples[clusters == cluster] / RATE * 1e6)
        np.testing.assert_array_equal(session.spikes_of(row), expected)
    assert session.spike_times_us.dtype == np.int64


def test_only_good_clusters_pass_the_filter(phy):
    assert read_session(phy[0]).units.ids.tolist() == [2, 11]


def test_column_vectors_and_templates(phy):
    """Kilosort saves columns, and templates alone before Phy has been there."""
    folder, samples, clusters = phy
    before = read_session(folder)
    np.save(folder / "spike_times.npy", samples[:, None].astype(np.int64))
    np.save(folder / "spike_templates.npy", clusters[:, None])
    (folder / "spike_clusters.npy").unlink()
    after = read_session(folder)
    np.testing.assert_array_equal(after.spike_times_us, before.spike_times_us)


def test_unsorted_spikes_are_sorted(phy):
    folder, samples, clusters = phy
    before = read_session(folder)
    np.save(folder / "spike_times.npy", samples[::-1])
    np.save(folder / "spike_clusters.npy", clusters[::-1])
    np.testing.assert_array_equal(read_session(folder).spike_times_us, before.spike_times_us)


def test_cluster_info(phy):
    folder = phy[0]
    (folder / "cluster_info.tsv").write_text(
        "cluster_id\tdepth\tamp\tgroup\tarea\n2\t120.0\t33.5\t\tVISp\n5\t80\t1\tnoise\tCA1\n"
    )
    units = read_session(folder, quality=None).units
    np.testing.assert_array_equal(units.depths_um, [120, 80, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(units.metrics["amp"], [33.5, 1, np.nan, np.nan, np.nan])
    assert units.areas.tolist() == ["VISp", "CA1", "", "", ""]


def test_what_a_person_said_comes_before_what_the_sorter_said(phy):
    folder = phy[0]
    (folder / "cluster_KSLabel.tsv").write_text(
        "cluster_id\tKSLabel\n2\tmua\n5\tgood\n9\tgood\n11\tgood\n"
    )
    (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n2\tgood\n5\tnoise\n9\tunsorted\n")
    np.testing.assert_array_equal(
        read_session(folder, quality=None).units.metrics["good"], [1, 0, np.nan, 1, 1]
    )


def test_params_are_never_run(tmp_path):
    mark = tmp_path / "ran"
    evil = f"import pathlib\npathlib.Path({str(mark)!r}).touch()\nsample_rate = 25000\n"
    folder, samples, _ = make_phy(tmp_path / "p", params=evil)
    session = read_session(folder)
    assert not mark.exists()
    assert session.spike_times_us.max() <= samples.max() / 25000 * 1e6 + 1


@pytest.mark.parametrize(
    "params",
    [
        None,
        "",
        "sample_rate = float('3e4')",
        "sample_rate = 0",
        "sample_rate = -1.0",
        "sample_rate = '30000'",
        "sample_rate = True if",
        "\0",
    ],
)
def test_wrong_params(tmp_path, params):
    folder, *_ = make_phy(tmp_path / "p", params=params)
    with pytest.raises(UserError, match=r"params\.py") as caught:
        read_session(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("spike_times.npy", np.array([0.5] * 400), "whole numbers"),
        ("spike_times.npy", np.array([np.nan] * 400), "whole numbers"),
        ("spike_times.npy", np.zeros((400, 2), np.int64), "shape"),
        ("spike_times.npy", np.arange(3), "3 spikes and 400 clusters"),
        ("spike_clusters.npy", np.array([-1] * 400), "found -1"),
        ("spike_clusters.npy", np.array([2**40] * 400), "found 2 to 1099511627776"),
        ("spike_clusters.npy", np.array(["a"] * 400), "one number a spike"),
    ],
)
def test_wrong_arrays(phy, name, values, said):
    np.save(phy[0] / name, values)
    with pytest.raises(UserError, match=said):
        read_session(phy[0])


@pytest.mark.parametrize("data", [b"", b"no numpy", b"\x93NUMPY\x01\x00"])
def test_damaged_arrays(phy, data):
    (phy[0] / "spike_times.npy").write_bytes(data)
    with pytest.raises(UserError, match=r"cannot read .*spike_times\.npy"):
        read_session(phy[0])


def test_pickles_are_refused(phy):
    np.save(phy[0] / "spike_clusters.npy", np.array([{}] * 400, object), allow_pickle=True)
    with pytest.raises(UserError, match="cannot read"):
        read_session(phy[0])


def test_claimed_sizes_take_no_memory(phy):
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (1125899906842624,), }"
    header += b" " * (118 - len(header) - 1) + b"\n"
    (phy[0] / "spike_times.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00" + header + bytes(64))
    with pytest.raises(UserError, match="cannot read"):
        read_session(phy[0])


def test_clusters_without_ids(phy):
    (phy[0] / "cluster_group.tsv").write_text("cluster\tgroup\n2\tgood\n")
    with pytest.raises(UserError, match="cluster ids"):
        read_session(phy[0])


def test_other_folders(tmp_path):
    with pytest.raises(UserError, match=r"a folder with spike_times\.npy"):
        read_session(tmp_path)


def test_events_of_the_folder(phy):
    (phy[0] / "events.csv").write_text("onset,label\n1,a\n2,b\n")
    assert read_session(phy[0]).presentations["events"].columns["label"].tolist() == ["a", "b"]
    other = phy[0] / "others.csv"
    other.write_text("onset,label\n5,c\n")
    found = open_session([phy[0]], events=other).presentations["events"]
    assert found.columns["label"].tolist() == ["c"]


def test_several_probes_become_one_session(tmp_path):
    folders = [make_phy(tmp_path / f"imec{n}", seed=n)[0] for n in range(3)]
    alone = [read_session(folder, quality=None) for folder in folders]
    joined = open_session(folders, quality=None)
    assert joined.units.ids.tolist() == [
        probe * 100_000 + cluster for probe in range(3) for cluster in (2, 5, 7, 9, 11)
    ]
    assert joined.units.probes.tolist() == [f"imec{n}" for n in range(3) for _ in range(5)]
    for probe, session in enumerate(alone):
        for row in range(5):
            np.testing.assert_array_equal(joined.spikes_of(5 * probe + row), session.spikes_of(row))
    filtered = open_session(folders)
    assert filtered.units.ids.tolist() == [2, 11, 100_002, 100_011, 200_002, 200_011]


def test_a_probe_that_nobody_has_curated_keeps_its_units_beside_one_that_is(tmp_path):
    pytest.importorskip("pynwb", reason="pynwb is not installed")
    curated = make_phy(tmp_path / "imec0")[0]
    metrics = "cluster_id\tamplitude_cutoff\n2\t0.01\n11\t0.5\n"
    (curated / "cluster_metrics.tsv").write_text(metrics)
    other = make_phy(tmp_path / "imec1", groups=None)[0]
    kept = [2, 100_002, 100_005, 100_007, 100_009]
    assert open_session([curated, other]).units.ids.tolist() == kept
    write_session(open_session([curated, other], quality=None), tmp_path / "both.nwb")
    assert read_session(tmp_path / "both.nwb").units.ids.tolist() == kept


def test_probes_with_large_or_distinct_ids(tmp_path):
    large = make_phy(tmp_path / "a", groups=None, clusters=np.full(400, 123_456))[0]
    small = make_phy(tmp_path / "b", groups=None, clusters=np.full(400, 7))[0]
    again = make_phy(tmp_path / "c", groups=None, clusters=np.full(400, 7))[0]
    assert open_session([large, small]).units.ids.tolist() == [123_456, 7]
    assert open_session([large, small, again]).units.ids.tolist() == [123_456, 1_000_007, 2_000_007]
    huge = make_phy(tmp_path / "d", groups=None, clusters=np.full(400, 2**31 - 1))[0]
    with pytest.raises(UserError, match="renumber"):
        open_session([huge, huge])


def test_probes_of_the_same_name_and_events_in_two(tmp_path):
    (tmp_path / "x").mkdir()
    folders = [make_phy(tmp_path / "p")[0], make_phy(tmp_path / "x" / "p")[0]]
    assert set(open_session(folders).units.probes) == {"p-0", "p-1"}
    for folder in folders:
        (folder / "events.csv").write_text("onset,label\n1,a\n")
    with pytest.raises(UserError, match="one table events"):
        open_session(folders)


def test_converted_folders_read_the_same(tmp_path):
    pytest.importorskip("pynwb", reason="pynwb is not installed")
    folders = [make_phy(tmp_path / f"imec{n}", seed=n)[0] for n in range(2)]
    events = tmp_path / "e.csv"
    events.write_text("onset,label,duration\n1,a,0.5\n2,b,0.5\n")
    session = open_session(folders, events=events, quality=None)
    write_session(session, tmp_path / "out.nwb")
    back = read_session(tmp_path / "out.nwb")
    expected = open_session(folders, events=events)
    assert back.units.ids.tolist() == expected.units.ids.tolist()
    np.testing.assert_array_equal(back.spike_times_us, expected.spike_times_us)
    assert back.presentations["events"].columns["label"].tolist() == ["a", "b"]
