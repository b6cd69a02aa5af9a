"""From matplotlib's SVG file to a drawing of the page: read once as a tree, coloured by role, with hover texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from xml.etree import ElementTree as ET

from backtest.report.figures.style import COLOURS, FONT_FAMILY

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_HREF = f"{{{XLINK}}}href"
_ROLE = {value: f"var(--{role})" for role, value in COLOURS.items()}
_IDLE = {"font-family", "stroke-linejoin", "stroke-miterlimit"}  # the page sets the font, the rest changes nothing
_START = ("text-anchor", "start")  # is so without being said
_COMMANDS = re.compile(r"([A-Za-z])([^A-Za-z]*)")
_ZOOMED = re.compile(r"[tk]\d+")  # names of what moves with a time axis, and of its ticks
ET.register_namespace("", SVG)
ET.register_namespace("xlink", XLINK)


@dataclass(frozen=True, slots=True)
class Hover:
    """A rectangle in pixels from the top left that shows exact values when pointed at; ``axes`` is their number."""

    axes: int
    left: float
    top: float
    width: float
    height: float
    title: str


def clean(words: str) -> str:
    r"""Return ``words`` on one line and without control characters.

    Examples
    --------
    >>> clean("a\nb\x00c")
    'a bc'
    """
    line = " ".join(str(words).split())
    return line if line.isprintable() else "".join(c for c in line if c.isprintable())


def themed(
    raw: str, *, width: int, height: int, label: str, prefix: str, hovers: Iterable[Hover], clocks: Mapping[int, str]
) -> str:
    """Return matplotlib's file as one ``<svg>`` element whose colours are the variables of the page.

    Parameters
    ----------
    raw
        The file as matplotlib wrote it.
    width, height
        Size in pixels.
    label
        What the drawing shows, for readers who do not see it.
    prefix
        Put before every id that something refers to, so that drawings of one page share none; other ids are dropped.
    hovers
        Rectangles that answer to the pointer.
    clocks
        Where the time axis stands of the axes that have one, by their number.
    """
    source = ET.fromstring(raw)
    size = {"viewBox": f"0 0 {width} {height}", "width": f"{width}", "height": f"{height}"}
    about = {"role": "img", "aria-label": clean(label), "font-family": FONT_FAMILY}
    root = ET.Element(f"{{{SVG}}}svg", {**size, **about})
    root.extend(child for child in source if child.tag == f"{{{SVG}}}g" or child.find(f"{{{SVG}}}style") is None)
    for metadata in root.findall(f"{{{SVG}}}metadata"):
        root.remove(metadata)
    ids = {name: f"{prefix}-{name}" for element in root.iter() for name in _references(element) if name}
    for element in root.iter():
        _tidy(element, ids)
    _flatten(root)
    boxes: dict[int, ET.Element] = {}
    for number, clock in clocks.items():
        place = {"class": "hits", "data-n": f"{number}", "data-clock": clock}
        boxes[number] = ET.SubElement(root, f"{{{SVG}}}g", place)
    for hover in hovers:
        if hover.axes not in boxes:
            boxes[hover.axes] = ET.SubElement(root, f"{{{SVG}}}g", {"class": "hits"})
        wide, tall = _number(max(hover.width, 1)), _number(max(hover.height, 1))
        place = {"d": f"M{_number(hover.left)} {_number(hover.top)}h{wide}v{tall}h-{wide}z"}
        ET.SubElement(ET.SubElement(boxes[hover.axes], f"{{{SVG}}}path", place), f"{{{SVG}}}title").text = clean(
            hover.title
        )
    return ET.tostring(root, encoding="unicode")


@cache
def _declarations(style: str) -> list[tuple[str, str]]:
    """Return the names and values of a style attribute.

    Examples
    --------
    >>> _declarations("fill: none; stroke: #009e73")
    [('fill', 'none'), ('stroke', '#009e73')]
    """
    pairs = (part.partition(":") for part in style.split(";"))
    return [(name.strip(), value.strip()) for name, _, value in pairs if value]


def _local(value: str) -> str:
    """Return the id in ``url(#id)`` or ``#id``, nothing for anything else."""
    inner = value.removeprefix("url(").removesuffix(")")
    return inner[1:] if inner.startswith("#") else ""


def _references(element: ET.Element) -> list[str]:
    values = [element.get(_HREF, ""), element.get("clip-path", "")]
    return [_local(value) for value in [*values, *(value for _, value in _declarations(element.get("style", "")))]]


def _tidy(element: ET.Element, ids: Mapping[str, str]) -> None:
    """Give roles for colours and new names for ids, round what is finer than a tenth of a pixel."""
    attributes = element.attrib
    if (name := attributes.pop("id", "")) in ids:
        attributes["id"] = ids[name]
    elif _ZOOMED.fullmatch(name):
        attributes["class"] = name
    if _HREF in attributes:
        attributes[_HREF] = f"#{ids[_local(attributes[_HREF])]}"
    if "clip-path" in attributes:
        attributes["clip-path"] = f"url(#{ids[_local(attributes['clip-path'])]})"
    if "style" in attributes:
        declared = [pair for pair in _declarations(attributes["style"]) if pair[0] not in _IDLE and pair != _START]
        kept = [(key, _styled(value, ids)) for key, value in declared]
        attributes["style"] = ";".join(f"{key}:{value}" for key, value in kept)
    if attributes.get("transform", "").startswith("rotate(-0 "):
        del attributes["transform"]
    for key in ("x", "y"):
        if key in attributes:
            attributes[key] = _number(float(attributes[key]))
    if "d" in attributes:
        attributes["d"] = _tenths(attributes["d"])
    if element.tag != f"{{{SVG}}}text":
        element.text = None
    element.tail = None


def _styled(value: str, ids: Mapping[str, str]) -> str:
    name = _local(value) if value.startswith("url(") else ""
    return f"url(#{ids[name]})" if name else _ROLE.get(value, value)


def _tenths(path: str) -> str:
    r"""Return a path to a tenth of a pixel, its level and upright lines by their one coordinate.

    Examples
    --------
    >>> _tenths("M 12.987654 7.03 \nL 0.5 -3.25 L 9.2 -3.25 L 9.2 4 z")
    'M13 7L0.5 -3.2H9.2V4z'
    """
    out: list[str] = []
    here: list[str] = []
    for command, numbers in _COMMANDS.findall(path):
        values = [_number(float(number)) for number in numbers.split()]
        if command != "L" or not here:
            out.append(command + " ".join(values))
        elif values != here:
            out.append(f"H{values[0]}" if values[1] == here[1] else f"V{values[1]}" if values[0] == here[0]
                       else f"L{' '.join(values)}")  # fmt: skip
        elif out[-1].startswith("M"):
            out.append("h0")  # a dot
        here = values if command in {"M", "L"} else []
    return "".join(out)


def _number(value: float) -> str:
    """Return pixels to a tenth.

    Examples
    --------
    >>> _number(12.3456), _number(7.0)
    ('12.3', '7')
    """
    return f"{round(value, 1) + 0:g}"


def _flatten(element: ET.Element) -> None:
    """Put the children of groups without attributes where the group stands."""
    children: list[ET.Element] = []
    for child in element:
        _flatten(child)
        children += list(child) if child.tag == f"{{{SVG}}}g" and not child.attrib else [child]
    element[:] = children
