"""Sentences, numbers and figures as HTML: what is not markup is escaped.

A number of a sentence is rounded, has its exact value as title and, if asked, links to the section that shows where it
comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from markupsafe import Markup

from backtest import formatting
from backtest.formatting import NONE, Number, exact
from backtest.report.figures.drawing import Drawing, styled
from backtest.report.figures.style import HALF, PHONE, WIDE, Width
from backtest.report.findings import Span

# --- sentences -----------------------------------------------------------------------------------------------


def fill(template: str, **values: Any) -> Markup:
    """Fill a template of ours with values of any origin; what is not markup is escaped.

    Examples
    --------
    >>> fill("{name} fell", name="<b>")
    Markup('&lt;b&gt; fell')
    """
    return Markup(template).format(**values)


def join(parts: Iterable[Any], between: str = "") -> Markup:
    """Return parts one after the other.

    Examples
    --------
    >>> join(["a", "<"], ", ")
    Markup('a, &lt;')
    """
    return Markup(between).join(parts)


def listed(parts: Sequence[Any]) -> Markup:
    """Return things joined by commas and a last "and".

    Examples
    --------
    >>> listed(["a", "b", "c"])
    Markup('a, b and c')
    """
    if len(parts) < 2:
        return fill("{part}", part=parts[0] if parts else "")
    return fill("{head} and {tail}", head=join(parts[:-1], ", "), tail=parts[-1])


def bullets(items: Iterable[Any]) -> Markup:
    """Return a plain list."""
    return fill("<ul>{items}</ul>", items=join(fill("<li>{i}</li>", i=item) for item in items))


def empty(reason: Any) -> Markup:
    """Return the sentence that stands where there is nothing to show."""
    return fill('<p class="empty">{reason}</p>', reason=reason)


def is_empty(body: Markup) -> bool:
    """Return whether a part is nothing but the sentence that says why there is nothing."""
    return body.startswith('<p class="empty">') and body.count("<p") == 1 and body.endswith("</p>")


def note(words: str) -> Markup:
    """Return a remark under a table."""
    return fill('<p class="note">{words}</p>', words=words)


def folded(summary: str, body: Markup) -> Markup:
    """Return something that a click on its summary shows.

    Examples
    --------
    >>> folded("as a table", Markup("<p>x</p>"))
    Markup('<details class="notes"><summary>as a table</summary><p>x</p></details>')
    """
    return fill('<details class="notes"><summary>{s}</summary>{b}</details>', s=summary, b=body)


# --- numbers of sentences ------------------------------------------------------------------------------------


def number(text: str, exact_text: str, to: str = "") -> Markup:
    """Return a rounded number with its exact value as title, as a link to the section ``to`` if given."""
    title = "" if exact_text == text else fill(' title="{e}"', e=exact_text)
    if to:
        return fill('<a class="n" href="#{to}"{title}>{text}</a>', to=to, title=title, text=text)
    return fill('<span class="n"{title}>{text}</span>', title=title, text=text)


def usd(value: Number | None, to: str = "") -> Markup:
    """Return dollars."""
    return number(formatting.usd(value), f"{exact(value)} USD", to)


def percent(value: Number | None, to: str = "") -> Markup:
    """Return a fraction as per cent."""
    return number(formatting.percent(value), NONE if value is None else f"{exact(float(value) * 100)} %", to)


def size(value: Number | None, to: str = "") -> Markup:
    """Return the size of a fall or a loss, without its sign, as per cent."""
    return percent(None if value is None else abs(Decimal(str(value))), to)


def count(value: Number | None, to: str = "") -> Markup:
    """Return a count."""
    return number(formatting.count(value), formatting.count(value), to)


def price(value: Number | None, to: str = "") -> Markup:
    """Return a price."""
    return number(formatting.price(value), exact(value), to)


def duration(seconds: Number | None, to: str = "") -> Markup:
    """Return a length of time."""
    return number(formatting.duration(seconds), f"{exact(seconds)} s", to)


def ratio(value: Number | None, to: str = "") -> Markup:
    """Return a ratio."""
    return number(formatting.ratio(value), exact(value), to)


def clock(value: datetime | None, to: str = "") -> Markup:
    """Return a time of day."""
    return number(formatting.clock(value), f"{exact(value)} UTC", to)


# --- figures -------------------------------------------------------------------------------------------------


def figure(draw: Callable[[Width], Drawing]) -> Markup:
    """Return a figure in two drawings, one for a page and one for a phone; the style shows one of them."""
    both = '<div class="drawing wide">{wide}</div><div class="drawing phone">{phone}</div>'
    with styled():
        return fill(both, wide=Markup(draw(WIDE).svg()), phone=Markup(draw(PHONE).svg()))


def timed_figure(draw: Callable[[Width, Span], Drawing], crash: Span | None, window: Span) -> Markup:
    """Return a figure over time, cropped to the crash with the whole window one click away."""
    if crash is None:
        return fill('<div class="drawings">{made}</div>', made=figure(lambda width: draw(width, window)))
    made = figure(lambda width: draw(width, crash))
    with styled():
        whole = Markup(draw(WIDE, window).svg())
    words = (
        '<div class="drawings">{made}<details class="window"><summary>whole window, {window}</summary>'
        '<div class="drawing whole">{whole}</div></details></div>'
    )
    return fill(words, made=made, window=str(window), whole=whole)


def half_figure(draw: Callable[[Width], Drawing]) -> Markup:
    """Return a figure of half the page's width, which also fits a phone."""
    with styled():
        return fill('<div class="drawing">{svg}</div>', svg=Markup(draw(HALF).svg()))


def bar(share: float, kind: str) -> Markup:
    """Return a bar of ``share`` (0 to 1) of its cell in the colour of ``kind``."""
    width = f"{min(max(share, 0.0), 1.0) * 100:.2f}%"
    return fill('<span class="bar {kind}" style="width:{width}"></span>', kind=kind, width=width)
