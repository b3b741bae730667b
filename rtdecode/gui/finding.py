"""Which streams of the network are whose: decoders, the spikes they hear, markers, a bridge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rtdecode import streams
from rtdecode.streams import Found

POSTERIOR, DECISIONS, HEALTH, TRIGGERS = "posterior", "decisions", "health", "triggers"
SPIKES, STIMULI, BRIDGE = "spikes", "stimuli", "bridge"
OF_DECODER = (POSTERIOR, DECISIONS, HEALTH, TRIGGERS)
FORMATS = {
    POSTERIOR: streams.POSTERIOR_FORMAT,
    DECISIONS: streams.TEXT_FORMAT,
    HEALTH: streams.TEXT_FORMAT,
    TRIGGERS: streams.TEXT_FORMAT,
    SPIKES: streams.SPIKE_FORMAT,
    STIMULI: streams.TEXT_FORMAT,
    BRIDGE: streams.TEXT_FORMAT,
}


@dataclass(frozen=True)
class Source:
    """A decoder on the network, or the spikes it is fed with: a stream for each role."""

    streams: dict[str, Found]

    @property
    def name(self) -> str:
        """What the decoder is chosen and remembered by."""
        posterior = self.streams[POSTERIOR]
        return f"{posterior.name} on {posterior.host}"


def fits(stream: Found, role: str) -> bool:
    """Whether a stream has the type and shape that its role asks for."""
    form = FORMATS[role]
    like = (stream.kind, stream.channel_format) == (form.kind, form.channel_format)
    return like and form.channels in (0, stream.channels)


def decoders(found: Iterable[Found]) -> list[Source]:
    """The decoders among the streams on the network, each with its other streams.

    A decoder's streams are named alike (``...-posterior``, ``...-decisions``), come from
    one host and were made at about the same time.
    """
    found = list(found)
    posteriors = [s for s in found if fits(s, POSTERIOR)]
    return [Source(dict(_companions(posterior, found))) for posterior in posteriors]


def _companions(posterior: Found, found: list[Found]) -> Iterable[tuple[str, Found]]:
    yield POSTERIOR, posterior
    for role in OF_DECODER[1:]:
        name = posterior.name.replace(POSTERIOR, role)
        named = [s for s in found if s.name == name and s.host == posterior.host and fits(s, role)]
        if named:
            yield role, min(named, key=lambda s: abs(s.created_at - posterior.created_at))


def newest(found: Iterable[Found], name: str, role: str) -> Found | None:
    """The newest stream of a name that fits its role."""
    named = [s for s in found if s.name == name and fits(s, role)]
    return max(named, key=lambda s: s.created_at, default=None)


def only(found: Iterable[Found], role: str) -> Found | None:
    """The one stream that fits a source's role, whatever its name; what is said of it is none."""
    fit = [s for s in found if fits(s, role) and not s.name.endswith((*OF_DECODER, BRIDGE))]
    return fit[0] if len(fit) == 1 else None


def spike_streams(found: Sequence[Found], told: Sequence[str]) -> dict[str, Found]:
    """The spike streams to show, by role.

    Parameters
    ----------
    found : sequence of Found
    told : sequence of str
        Those that the decoder hears, as its health names them: ``name``, ``name@host``, or
        ``name@host#place`` where two are called the same. Empty before it has said so.

    Returns
    -------
    dict
        Of one alone the role is ``spikes``; of several, ``spikes NAME``. One that is not on
        the network is left out.
    """
    if not told:
        stream = newest(found, streams.SPIKES, SPIKES) or only(found, SPIKES)
        return {SPIKES: stream} if stream else {}
    named = {role: _named(found, name) for role, name in zip(roles_of(told), told, strict=True)}
    return {role: stream for role, stream in named.items() if stream is not None}


def roles_of(told: Sequence[str]) -> list[str]:
    """The role of each spike stream that a decoder hears."""
    return [SPIKES] if len(told) == 1 else [f"{SPIKES} {name}" for name in told]


def _named(found: Iterable[Found], told: str) -> Found | None:
    full, _, place = told.partition("#")
    name, _, host = full.partition("@")
    fit = [s for s in found if fits(s, SPIKES) and s.name == name and host in ("", s.host)]
    fit.sort(key=lambda s: s.created_at)
    if place:
        return fit[int(place)] if place.isdigit() and int(place) < len(fit) else None
    return fit[-1] if fit else None
