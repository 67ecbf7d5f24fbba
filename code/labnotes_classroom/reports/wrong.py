"""The values that were not right, short enough to count them."""

from __future__ import annotations

from typing import Any

from ..compare import Odd, value
from ..course import shown

LONGEST = 60  # characters of a value


def wrong_values(outputs: list, verdicts: dict[str, bool]) -> dict[str, str]:
    """By name, what a compare cell gave that was not right; why it gave nothing, if it did not."""
    got = value(outputs)
    errors = [o.get("ename", "") for o in outputs if o.get("output_type") == "error"]
    nothing = f"error: {errors[0]}" if errors else "no value"
    return {
        name: shown(_short(got[name]) if isinstance(got, dict) and name in got else nothing)[
            :LONGEST
        ]
        for name, right in verdicts.items()
        if not right
    }


def _short(value: Any) -> str:
    """A plain value with six digits a number, so that the same mistake is the same text."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Odd):
        return str(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_short(part) for part in value[:LONGEST])}]"
    if isinstance(value, dict):
        pairs = list(value.items())[:LONGEST]
        return "{" + ", ".join(f"{_short(key)}: {_short(part)}" for key, part in pairs) + "}"
    try:
        return repr(value)
    except ValueError:  # an integer of thousands of digits
        return "a huge number"
