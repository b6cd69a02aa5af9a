"""How numbers, money, prices and times are written, everywhere: terminal, report, figures.

Three significant figures where a sentence is read (``usd``, ``percent``, ``duration``), every digit where a value is
looked up (``exact``, ``whole_usd``, ``micros``). A minus is a true minus, no value is an en dash, times are UTC.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Number = int | float | Decimal
NONE = "–"
SPACE = "\N{NO-BREAK SPACE}"
MICRO = Decimal("1e-6")


# --- numbers ---


def minus(text: str) -> str:
    """Return ``text`` with the true minus sign.

    Examples
    --------
    >>> minus("-5")
    '−5'
    """
    return text.replace("-", "\N{MINUS SIGN}")


def significant(value: Number, digits: int = 3) -> str:
    """Return a number rounded to ``digits`` significant figures, with thousands separators.

    Examples
    --------
    >>> significant(1789607763.7), significant(-61.849), significant(0.08385)
    ('1,790,000,000', '−61.8', '0.0839')
    >>> significant(9.999), significant(0)
    ('10.0', '0')
    """
    number = Decimal(str(value))
    if number == 0:
        return "0"
    rounded = number.quantize(Decimal(1).scaleb(number.adjusted() - digits + 1), ROUND_HALF_UP)
    if rounded.adjusted() > number.adjusted():  # 9.999 became 10.00
        rounded = rounded.quantize(Decimal(1).scaleb(rounded.adjusted() - digits + 1))
    return minus(f"{rounded:,f}" if rounded.as_tuple().exponent < 0 else f"{int(rounded):,}")  # type: ignore[operator]


def count(value: Number | None) -> str:
    """Return a count, exact.

    Examples
    --------
    >>> count(12345), count(None)
    ('12,345', '–')
    """
    return NONE if value is None else minus(f"{int(value):,}")


def percent(value: Number | None) -> str:
    """Return a fraction as per cent.

    Examples
    --------
    >>> percent(0.61849).replace(SPACE, " "), percent(-0.131).replace(SPACE, " ")
    ('61.8 %', '−13.1 %')
    """
    return NONE if value is None else f"{significant(Decimal(str(value)) * 100)}{SPACE}%"


def ratio(value: Number | None) -> str:
    """Return a ratio or a leverage.

    Examples
    --------
    >>> ratio(8.213)
    '8.21×'
    """
    return NONE if value is None else f"{significant(value)}×"


def fixed(value: Number | None, digits: int) -> str:
    """Return a number with so many decimals; what rounds to zero has no sign.

    Examples
    --------
    >>> fixed(-1234.567, 2), fixed(-0.001, 2)
    ('−1,234.57', '0.00')
    """
    if value is None:
        return NONE
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if not any(c in "123456789" for c in text) else minus(text)


def exact(value: Any) -> str:
    """Return a value with every digit it has.

    Examples
    --------
    >>> exact(Decimal("-1789607763.719184")), exact(0.1), exact(dt.datetime(2025, 10, 10, 21, 16, 4))
    ('−1,789,607,763.719184', '0.1', '2025-10-10 21:16:04')
    """
    if value is None:
        return NONE
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}" + (f".{value.microsecond:06d}" if value.microsecond else "")
    if isinstance(value, float):
        value = Decimal(repr(value)) if value == value and abs(value) != float("inf") else str(value)  # noqa: PLR0124
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return minus(f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}")
    return str(value)


def readable(value: Any) -> str:
    """Return a setting or a cell as a reader of the terminal wants it.

    Examples
    --------
    >>> readable({"BTC": 4.48e9, "default": 0.15}), readable(((0.0, 3.0, 0.36),)), readable(None)
    ('BTC 4,480,000,000, default 0.15', '[0, 3, 0.36]', 'none')
    """
    if value is None or value in ((), []):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value:,f}"
    if isinstance(value, int | float):
        return f"{value:,.15g}"
    if isinstance(value, dt.datetime):
        return minutes(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {readable(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        nested = [isinstance(row, list | tuple | Mapping) for row in value]
        return ", ".join(
            f"[{readable(row)}]" if deep else readable(row) for row, deep in zip(value, nested, strict=True)
        )
    return str(value)


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """Return evenly spaced numbers as an axis writes them, with the decimals that their distance needs.

    Examples
    --------
    >>> tick_labels([-1250.0, -1000.0]), tick_labels([0.0, 0.25])
    (['−1,250', '−1,000'], ['0.00', '0.25'])
    """
    step = abs(ticks[1] - ticks[0]) if len(ticks) > 1 else abs(ticks[0] if len(ticks) else 0) or 1.0
    digits = next(d for d in range(16) if abs(round(step, d) - step) <= step * 1e-6)
    return [fixed(tick, digits) for tick in ticks]


# --- money and prices ---


def usd(value: Number | None) -> str:
    """Return dollars to three significant figures, in the unit that suits them.

    Examples
    --------
    >>> [usd(v).replace(SPACE, " ") for v in (1789607763.7, 999_600, 432_100, -12.3, 0, None)]
    ['1,790 M USD', '1.00 M USD', '432 k USD', '−12.3 USD', '0 USD', '–']
    """
    if value is None:
        return NONE
    number = Decimal(str(value))
    for unit, power in (("M", 6), ("k", 3)):
        if abs(number) >= Decimal("0.9995").scaleb(power):
            return f"{significant(number.scaleb(-power))}{SPACE}{unit}{SPACE}USD"
    return f"{significant(value)}{SPACE}USD"


def usd_band(low: Number, median: Number, high: Number, *, currency: bool = True) -> str:
    """Return a median and its band in dollars; the currency is named once, and the unit too where it is the same.

    Parameters
    ----------
    currency
        Whether it is named at all: not beside an amount that names it.

    Examples
    --------
    >>> usd_band(1.02e9, 1.6e9, 2.37e9).replace(SPACE, " "), usd_band(74_300, 215_000, 1.55e6).replace(SPACE, " ")
    ('1,600 M USD (1,020 to 2,370)', '215 k USD (74.3 k to 1.55 M)')
    >>> usd_band(647e6, 902e6, 1.27e9, currency=False).replace(SPACE, " ")
    '902 M (647 to 1,270)'
    """
    middle, *ends = (usd(value) for value in (median, low, high))
    tail = middle.partition(SPACE)[2]
    same = all(end.partition(SPACE)[2] == tail for end in ends)
    first, last = (end.removesuffix(f"{SPACE}{tail}" if same else f"{SPACE}USD") for end in ends)
    return f"{middle if currency else middle.removesuffix(f'{SPACE}USD')} ({first} to {last})"


def whole_usd(value: Number | None) -> str:
    """Return an amount in whole dollars.

    Examples
    --------
    >>> whole_usd(Decimal("-1234567.8")), whole_usd(None)
    ('−1,234,568 USD', 'none')
    """
    return "none" if value is None else f"{fixed(value, 0)} USD"


def micros(value: Number | None) -> str:
    """Return dollars with all six decimals of the ledger.

    Examples
    --------
    >>> micros(Decimal("-1234.5"))
    '−1,234.500000'
    """
    return NONE if value is None else exact(Decimal(str(value)).quantize(MICRO))


def price(value: Number | None) -> str:
    """Return a price with five significant figures or, if it has more, all digits before the point.

    Examples
    --------
    >>> price(106397.4), price(154.5512), price(0.08385)
    ('106,397', '154.55', '0.08385')
    """
    if value is None:
        return NONE
    number = Decimal(str(value)).normalize()
    before, held = number.adjusted() + 1, len(number.as_tuple().digits)
    return significant(number, max(before, min(5, held)))


# --- times ---


def clock(value: dt.datetime | None) -> str:
    """Return a time of day.

    Examples
    --------
    >>> clock(dt.datetime(2025, 10, 10, 21, 16, 4)), clock(None)
    ('21:16:04', '–')
    """
    return NONE if value is None else f"{value:%H:%M:%S}"


def utc(value: dt.datetime | None) -> str:
    """Return a time of day with its zone.

    Examples
    --------
    >>> utc(dt.datetime(2025, 10, 10, 21, 16, 4)), utc(None)
    ('21:16:04 UTC', 'none')
    """
    return "none" if value is None else f"{clock(value)} UTC"


def minutes(value: dt.datetime) -> str:
    """Return date and time, the seconds where there are some.

    Examples
    --------
    >>> minutes(dt.datetime(2021, 12, 4, 4, 51)), minutes(dt.datetime(2021, 12, 4, 4, 51, 7))
    ('2021-12-04 04:51', '2021-12-04 04:51:07')
    """
    return str(value).removesuffix(":00")


def date(value: dt.date) -> str:
    """Return a date in words.

    Examples
    --------
    >>> date(dt.datetime(2025, 10, 10, 21, 16))
    '10 October 2025'
    """
    return f"{value.day} {value:%B %Y}"


def period(start: dt.datetime, end: dt.datetime) -> str:
    """Return start and end; a day is named once.

    Examples
    --------
    >>> period(dt.datetime(2021, 12, 4, 4, 51), dt.datetime(2021, 12, 4, 5, 40))
    '2021-12-04 04:51 to 05:40'
    >>> period(dt.datetime(2025, 10, 10, 18), dt.datetime(2025, 10, 11))
    '2025-10-10 18:00 to 24:00'
    """
    if end == dt.datetime.combine(start.date() + dt.timedelta(days=1), dt.time()):
        return f"{minutes(start)} to 24:00"
    return f"{minutes(start)} to {minutes(end).removeprefix(f'{start:%Y-%m-%d} ')}"


def duration(seconds: Number | None) -> str:
    """Return a length of time.

    Examples
    --------
    >>> [duration(v).replace(SPACE, " ") for v in (61.7, 1491.654, 7325)]
    ['61.7 s', '24 min 52 s', '2 h 2 min']
    """
    if seconds is None:
        return NONE
    whole = round(seconds)
    if seconds < 120:
        return f"{significant(seconds)}{SPACE}s"
    if seconds < 7200:
        return f"{whole // 60}{SPACE}min" + (f"{SPACE}{whole % 60}{SPACE}s" if whole % 60 else "")
    return f"{whole // 3600}{SPACE}h{SPACE}{whole % 3600 // 60}{SPACE}min"


# --- words ---


def plural(number: Number, one: str, many: str = "") -> str:
    """Return the noun for ``number`` things.

    Examples
    --------
    >>> plural(1, "wave"), plural(2, "wave"), plural(0, "loss", "losses")
    ('wave', 'waves', 'losses')
    """
    return one if number == 1 else many or one + "s"


def coin(symbol: str) -> str:
    """Return the coin of a unified symbol.

    Examples
    --------
    >>> coin("BTC/USDT:USDT")
    'BTC'
    """
    return symbol.split("/", 1)[0]
