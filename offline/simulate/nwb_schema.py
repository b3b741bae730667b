"""The part of Allen's NWB extension that a session file needs, as the file itself carries it.

``ndx-aibs-ecephys`` adds three types to NWB: a probe, its electrode group and
the specimen. A file written with them must hold their definitions under
``/specifications``, so that a reader without AllenSDK knows them too. The core
schema need not be there: every NWB reader brings its own.
"""

from __future__ import annotations

import json

NAMESPACE = "ndx-aibs-ecephys"
VERSION = "0.2.0"
SOURCE = "ndx-aibs-ecephys.extension"


def _attribute(name: str, dtype: str, doc: str) -> dict[str, str]:
    return {"name": name, "dtype": dtype, "doc": doc}


GROUPS = [
    {
        "neurodata_type_def": "EcephysProbe",
        "neurodata_type_inc": "Device",
        "doc": "A neuropixels probe device",
        "attributes": [
            _attribute("sampling_rate", "float64", "Samples a second"),
            _attribute("probe_id", "int", "Unique id of the probe"),
        ],
    },
    {
        "neurodata_type_def": "EcephysElectrodeGroup",
        "neurodata_type_inc": "ElectrodeGroup",
        "doc": "The channels of one neuropixels probe",
        "attributes": [
            _attribute("has_lfp_data", "bool", "Whether there is LFP"),
            _attribute("probe_id", "int", "Unique id of the probe"),
            _attribute("lfp_sampling_rate", "float64", "LFP samples a second"),
        ],
    },
    {
        "neurodata_type_def": "EcephysSpecimen",
        "neurodata_type_inc": "Subject",
        "doc": "The animal",
        "attributes": [
            _attribute("specimen_name", "text", "Full name"),
            _attribute("age_in_days", "float", "Age, days"),
            _attribute("strain", "text", "Strain"),
        ],
    },
]


def namespace_json() -> str:
    """The namespace, as ``/specifications/.../namespace`` holds it."""
    namespace = {
        "name": NAMESPACE,
        "version": VERSION,
        "doc": "Allen Institute Ecephys Extension",
        "author": "Allen Institute for Brain Science",
        "contact": "waynew@alleninstitute.org",
        "schema": [{"namespace": "core"}, {"source": SOURCE}],
    }
    return json.dumps({"namespaces": [namespace]})


def types_json() -> str:
    """The types, as ``/specifications/.../ndx-aibs-ecephys.extension`` holds them."""
    return json.dumps({"groups": GROUPS})
