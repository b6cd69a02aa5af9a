"""Sources as links: the host of a web address, the name of a data file, anything else as it is."""

from __future__ import annotations

from markupsafe import Markup

from backtest.report import markup as m


def file_name(source: str) -> str:
    """Return the last part of the path of a data file, any other source as it is.

    Examples
    --------
    >>> file_name("data/sample/bars.csv"), file_name("page 3/4")
    ('bars.csv', 'page 3/4')
    """
    return source.rsplit("/", 1)[-1] if source.endswith((".csv", ".parquet")) else source


def source_link(source: str) -> Markup:
    """Return a link for a web address, plain words for anything else, of a path the file's name.

    Examples
    --------
    >>> source_link("https://example.org/a/b")
    Markup('<a href="https://example.org/a/b" rel="noreferrer">example.org</a>')
    >>> source_link("javascript:alert(1)")
    Markup('<span class="source">javascript:alert(1)</span>')
    """
    scheme, _, rest = source.partition("://")
    if scheme not in {"http", "https"}:
        name = file_name(source)
        title = m.fill(' title="{s}"', s=source) if name != source else ""
        return m.fill('<span class="source"{title}>{name}</span>', title=title, name=name)
    return m.fill('<a href="{s}" rel="noreferrer">{host}</a>', s=source, host=rest.split("/", 1)[0])
