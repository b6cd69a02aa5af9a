"""What a section of the report is: a question, the sentences that answer it, and what shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from backtest.report.findings import Findings

Text = Callable[[Findings], Markup]


@dataclass(frozen=True, slots=True)
class Part:
    """A figure or a table: its title with units, how it is made, and the queries it shows.

    What is ``folded`` stands behind its title until someone asks for it; a folded part that is ``printed`` opens on
    paper.
    """

    title: str
    make: Text
    queries: tuple[str, ...] = ()
    folded: bool = False
    printed: bool = True


@dataclass(frozen=True, slots=True)
class Section:
    """A question with its answer.

    Parameters
    ----------
    id, label
        Anchor of the section and its name in the table of contents.
    question
        The heading.
    answer
        Sentences under the heading.
    parts
        Figures and tables.
    headline
        The sentence that the paragraph at the top of the report takes from this section; it stands nowhere else.
    shown
        Whether a run has the section.
    of_studies
        Whether it shows draws, seeds or other studies, which may still be under way when the rest is made.
    """

    id: str
    label: str
    question: str
    answer: Text
    parts: tuple[Part, ...] = ()
    headline: Text | None = None
    shown: Callable[[Findings], bool] = lambda f: True
    of_studies: bool = False
