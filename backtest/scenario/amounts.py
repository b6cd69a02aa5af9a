"""Numbers as people write them: ``50M``, ``1.5bn``, ``50_000_000``, ``50,000,000``, ``$2m``, ``20 %``."""

from __future__ import annotations

import re
from decimal import Decimal

UNITS = {"": 0, "%": -2, "k": 3, "m": 6, "mn": 6, "mln": 6, "b": 9, "bn": 9}
DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d[\d_]*)?(?:\.\d+)?(?:e[+-]?\d{1,3})?"
_NUMBER = re.compile(
    rf"([+-])?\s*\$?\s*({DIGITS})\s*({'|'.join(sorted(filter(None, UNITS), key=len, reverse=True))})?\s*(?:usd[ct]?)?",
    re.IGNORECASE,
)
LONGEST = 60  # characters
_POINTS = re.compile(r"[1-9]\d{0,2}(?:(?:\.\d{3}){2,}|\.\d00)(?:,\d+)?|[1-9]\d{0,2}(?:\.\d{3})+,\d+")
_COMMA = re.compile(r"\d+,(?:\d{1,2}|\d{4,})|0,\d+")


def number_of(text: str) -> Decimal | None:
    """Return the number that a text stands for, exactly as written; None where it is none.

    Examples
    --------
    >>> [str(number_of(text)) for text in ("50M", "1.5bn", "50_000_000", "-2,500", "$12k", "20 %", "1e3")]
    ['50000000', '1500000000', '50000000', '-2500', '12000', '0.20', '1000']
    >>> number_of("fifty"), number_of("1,5"), number_of("")
    (None, None, None)
    """
    found = _NUMBER.fullmatch(text.strip()) if len(text) <= LONGEST else None
    if found is None or not any(map(str.isdigit, found[2].lower().partition("e")[0])):
        return None
    value = Decimal((found[1] or "") + found[2].replace(",", "").replace("_", ""))
    value = value.scaleb(UNITS[(found[3] or "").lower()])
    return value.quantize(Decimal(1)) if value == value.to_integral_value() and abs(value) < 10**20 else value


def doubtful(text: str) -> str:
    """Return how to write a number whose point may part thousands, or whose comma decimals; empty for others.

    Examples
    --------
    >>> doubtful("20.000"), doubtful("221,5")
    ('20.000 may be 20 or 20000: write one of the two', '221,5 has a decimal comma: write 221.5')
    >>> doubtful("1.234.567,8"), doubtful("20,000"), doubtful("221.125")
    ('1.234.567,8 has points between thousands: write 1234567.8', '', '')
    """
    if _POINTS.fullmatch(text):
        whole, _, decimals = text.partition(",")
        plain = whole.replace(".", "") + (f".{decimals}" if decimals else "")
        if decimals or whole.count(".") > 1:
            return f"{text} has points between thousands: write {plain}"
        return f"{text} may be {whole.rstrip('0').rstrip('.')} or {plain}: write one of the two"
    return f"{text} has a decimal comma: write {text.replace(',', '.')}" if _COMMA.fullmatch(text) else ""


def plain_number(text: str) -> int | float | None:
    """Return the number of a text as TOML has it: whole ones as whole numbers; None where it is none.

    Examples
    --------
    >>> plain_number("50M"), plain_number("1.5"), plain_number("x")
    (50000000, 1.5, None)
    """
    value = number_of(text)
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() and abs(value) < 10**20 else float(value)
