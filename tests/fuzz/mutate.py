"""Hostile values, texts and bytes, all drawn from one generator so that a seed gives them again."""

import json
import math

HUGE = 10**400
NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**63), HUGE, 1e308, -0.0, 5e-324, 0.5, math.nan, math.inf)
TEXTS = (
    "",
    "null",
    "nan",
    "\0",
    "\ud800",
    "a/b",
    "..",
    "90",
    "1e400",
    "é" * 50,
    "x" * 5000,
    "{",
    " ",
)


def hostile_value(rng, depth=3):
    """A JSON value that nobody expects."""
    kind = rng.randrange(9 if depth else 6)
    match kind:
        case 0:
            return rng.choice(NUMBERS)
        case 1:
            return rng.choice(TEXTS)
        case 2:
            return rng.choice((None, True, False))
        case 3:
            return rng.randint(-(2**40), 2**40)
        case 4:
            return rng.gauss(0, 10 ** rng.randint(-10, 20))
        case 5:
            return "".join(chr(rng.randrange(1, 0x3000)) for _ in range(rng.randrange(12)))
        case 6:
            return [hostile_value(rng, depth - 1) for _ in range(rng.randrange(5))]
        case 7:
            return {f"k{i}": hostile_value(rng, depth - 1) for i in range(rng.randrange(4))}
        case _:
            return nested(rng.choice((50, 2000)))


def nested(depth):
    """Lists in lists, deep enough for some to count on less."""
    value = []
    for _ in range(min(depth, 400)):
        value = [value]
    return value


def mutate_json(rng, value):
    """The value with something changed, lost or added somewhere in it."""
    if rng.random() < 0.25:
        return hostile_value(rng)
    if isinstance(value, dict) and value:
        key = rng.choice(list(value))
        changed = dict(value)
        if rng.random() < 0.2:
            del changed[key]
        else:
            changed[key] = mutate_json(rng, value[key])
        if rng.random() < 0.1:
            changed[rng.choice(TEXTS)] = hostile_value(rng)
        return changed
    if isinstance(value, list) and value:
        changed = list(value)
        place = rng.randrange(len(changed))
        if rng.random() < 0.3:
            del changed[place]
        else:
            changed[place] = mutate_json(rng, changed[place])
        return changed
    return hostile_value(rng)


def as_text(rng, value):
    """A value as JSON, sometimes cut off, torn or of another encoding's making."""
    text = json.dumps(value)
    match rng.randrange(8):
        case 0:
            return text[: rng.randrange(len(text) + 1)]
        case 1:
            return mutate_bytes(rng, text.encode()).decode("utf-8", "replace")
        case 2:
            return "[" * rng.choice((10, 100_000)) + text
        case _:
            return text


def mutate_bytes(rng, content, most=12):
    """Bytes with some changed, dropped, doubled or cut off."""
    changed = bytearray(content)
    match rng.randrange(6):
        case 0:
            return bytes(changed[: rng.randrange(len(changed) + 1)])
        case 1 if changed:
            start = rng.randrange(len(changed))
            del changed[start : start + rng.randrange(64)]
        case 2 if changed:
            start = rng.randrange(len(changed))
            changed[start:start] = changed[start : start + rng.randrange(64)]
        case _:
            for _ in range(rng.randint(1, most) if changed else 0):
                changed[rng.randrange(len(changed))] = rng.choice(
                    (0, 255, 0x7F, 0x80, rng.randrange(256))
                )
    return bytes(changed)
