"""How numbers are written: three significant figures in prose, exact in tables and when pointed at.

Prose helpers return markup: the rounded number, with the exact one as its title and, if asked, a link to the
section that shows where it comes from.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from markupsafe import Markup

Number = int | float | Decimal
NONE = "–"
_SPACE = "\N{NO-BREAK SPACE}"


def significant(value: Number, digits: int = 3) -> str:
    """Return a number rounded to ``digits`` significant figures, with thousands separators and a true minus.

    Examples
    --------
    >>> significant(1789607763.7), significant(-61.849), significant(0.08385)
    ('1,790,000,000', '−61.8', '0.0839')
    >>> significant(9.999), significant(0)
    ('10.0', '0')
    """
    exact = Decimal(str(value))
    if exact == 0:
        return "0"
    rounded = exact.quantize(Decimal(1).scaleb(exact.adjusted() - digits + 1), ROUND_HALF_UP)
    if rounded.adjusted() > exact.adjusted():  # 9.999 became 10.00
        rounded = rounded.quantize(Decimal(1).scaleb(rounded.adjusted() - digits + 1))
    return minus(f"{rounded:,f}" if rounded.as_tuple().exponent < 0 else f"{int(rounded):,}")  # type: ignore[operator]


def minus(text: str) -> str:
    """Return ``text`` with the true minus sign.

    Examples
    --------
    >>> minus("-5")
    '−5'
    """
    return text.replace("-", "\N{MINUS SIGN}")


def usd_text(value: Number | None) -> str:
    """Return an amount of dollars in the unit that suits it.

    Examples
    --------
    >>> [usd_text(v).replace(_SPACE, " ") for v in (1789607763.7, 999_600, 432_100, -12.3, 0, None)]
    ['1,790 M USD', '1.00 M USD', '432 k USD', '−12.3 USD', '0 USD', '–']
    """
    if value is None:
        return NONE
    exact = Decimal(str(value))
    for unit, power in (("M", 6), ("k", 3)):
        if abs(exact) >= Decimal("0.9995").scaleb(power):
            return f"{significant(exact.scaleb(-power))}{_SPACE}{unit}{_SPACE}USD"
    return f"{significant(value)}{_SPACE}USD"


def frac_text(value: Number | None) -> str:
    """Return a fraction as per cent.

    Examples
    --------
    >>> frac_text(0.61849).replace(_SPACE, " "), frac_text(-0.131).replace(_SPACE, " "), frac_text(1.0)[:3]
    ('61.8 %', '−13.1 %', '100')
    """
    return NONE if value is None else f"{significant(Decimal(str(value)) * 100)}{_SPACE}%"


def span_text(seconds: Number | None) -> str:
    """Return a duration.

    Examples
    --------
    >>> [span_text(v).replace(_SPACE, " ") for v in (61.7, 1491.654, 7325)]
    ['61.7 s', '24 min 52 s', '2 h 2 min']
    """
    if seconds is None:
        return NONE
    whole = round(seconds)
    if seconds < 120:
        return f"{significant(seconds)}{_SPACE}s"
    if seconds < 7200:
        return f"{whole // 60}{_SPACE}min" + (f"{_SPACE}{whole % 60}{_SPACE}s" if whole % 60 else "")
    return f"{whole // 3600}{_SPACE}h{_SPACE}{whole % 3600 // 60}{_SPACE}min"


def count_text(value: Number | None) -> str:
    """Return a count, exact.

    Examples
    --------
    >>> count_text(12345)
    '12,345'
    """
    return NONE if value is None else minus(f"{int(value):,}")


def px_text(value: Number | None) -> str:
    """Return a price with five significant figures or, if it has more, all digits before the point.

    Examples
    --------
    >>> px_text(106397.4), px_text(154.5512), px_text(0.08385)
    ('106,397', '154.55', '0.08385')
    """
    if value is None:
        return NONE
    exact = Decimal(str(value)).normalize()
    before, there = exact.adjusted() + 1, len(exact.as_tuple().digits)
    return significant(exact, max(before, min(5, there)))


def times_text(value: Number | None) -> str:
    """Return a ratio or a leverage.

    Examples
    --------
    >>> times_text(8.213)
    '8.21×'
    """
    return NONE if value is None else f"{significant(value)}×"


def exact_text(value: Any) -> str:
    """Return a value with every digit it has.

    Examples
    --------
    >>> exact_text(Decimal("-1789607763.719184")), exact_text(0.1), exact_text(datetime(2025, 10, 10, 21, 16, 4))
    ('−1,789,607,763.719184', '0.1', '2025-10-10 21:16:04')
    """
    if value is None:
        return NONE
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}" + (f".{value.microsecond:06d}" if value.microsecond else "")
    if isinstance(value, float):
        value = Decimal(repr(value)) if value == value and abs(value) != float("inf") else str(value)  # noqa: PLR0124
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return minus(f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}")
    return str(value)


# --- markup for prose ----------------------------------------------------------------------------------------


def say(template: str, **values: Any) -> Markup:
    """Fill a sentence of ours with values of any origin; what is not markup is escaped.

    Examples
    --------
    >>> say("{name} fell", name="<b>")
    Markup('&lt;b&gt; fell')
    """
    return Markup(template).format(**values)


def _shown(text: str, exact: str, to: str) -> Markup:
    title = "" if exact == text else say(' title="{e}"', e=exact)
    if to:
        return say('<a class="n" href="#{to}"{title}>{text}</a>', to=to, title=title, text=text)
    return say('<span class="n"{title}>{text}</span>', title=title, text=text)


def usd(value: Number | None, to: str = "") -> Markup:
    """Return dollars for prose."""
    return _shown(usd_text(value), f"{exact_text(value)} USD", to)


def frac(value: Number | None, to: str = "") -> Markup:
    """Return per cent for prose."""
    return _shown(frac_text(value), NONE if value is None else f"{exact_text(float(value) * 100)} %", to)


def size(value: Number | None, to: str = "") -> Markup:
    """Return the size of a fall or a loss, without its sign, as per cent."""
    return frac(None if value is None else abs(Decimal(str(value))), to)


def count(value: Number | None, to: str = "") -> Markup:
    """Return a count for prose."""
    return _shown(count_text(value), count_text(value), to)


def px(value: Number | None, to: str = "") -> Markup:
    """Return a price for prose."""
    return _shown(px_text(value), exact_text(value), to)


def span(seconds: Number | None, to: str = "") -> Markup:
    """Return a duration for prose."""
    return _shown(span_text(seconds), f"{exact_text(seconds)} s", to)


def times(value: Number | None, to: str = "") -> Markup:
    """Return a ratio for prose."""
    return _shown(times_text(value), exact_text(value), to)


def at(value: datetime | None, to: str = "") -> Markup:
    """Return a time of day for prose."""
    return _shown(NONE if value is None else f"{value:%H:%M:%S}", f"{exact_text(value)} UTC", to)


def plural(number: Number, one: str, many: str = "") -> str:
    """Return the noun for ``number`` things.

    Examples
    --------
    >>> plural(1, "wave"), plural(2, "wave"), plural(0, "loss", "losses")
    ('wave', 'waves', 'losses')
    """
    return one if number == 1 else many or one + "s"


def listed(parts: list[Any]) -> Markup:
    """Return things joined by commas and a last "and".

    Examples
    --------
    >>> listed(["a", "b", "c"])
    Markup('a, b and c')
    """
    if len(parts) < 2:
        return say("{p}", p=parts[0] if parts else "")
    return say("{head} and {tail}", head=Markup(", ").join(parts[:-1]), tail=parts[-1])
