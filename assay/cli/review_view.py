"""An item as lines on a screen.  Telemetry is anybody's text: nothing of it moves the cursor or hides what follows."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assay.cli.review_choices import choices, is_list
from assay.client_queues import ReviewItem
from evaluator.feedback.verdicts import as_text
from evaluator.metrics.definition import MetricDefinition
from evaluator.reviewing.definition import QueueRecord
from storage.model import Failure, OutputType, Score

LEAST_WIDTH, LEAST_HEIGHT = 20, 8
_BIDI = dict.fromkeys((*range(8234, 8239), *range(8294, 8298), 8206, 8207), "�")

HELP = """\
e      why, in $VISUAL or $EDITOR (a line where neither is set); give it before the verdict
s      skip: the item goes to others, and does not come back to you
u      undo your last verdict of this sitting, and see its item again
b      back to the item before; a new verdict there replaces yours
space  the next page of a long item
?      this help
q      quit; what you have reserved is yours until it expires, and comes first when you return"""


@dataclass(frozen=True, slots=True)
class Screen:
    """Characters of a line, and lines."""

    width: int = 80
    height: int = 24


def plain(text: str) -> str:
    """A text without control characters: a tab is blanks, a line ends where it ended, all others are shown as �."""
    tidy = text.replace("\r\n", "\n").replace("\t", "    ")
    return "".join(each if each == "\n" or each.isprintable() or each == " " else "�" for each in tidy).translate(_BIDI)


def wrapped(text: str, width: int, indent: str = "  ") -> list[str]:
    """Lines of at most `width` characters, with the line ends that the text has."""
    room = max(LEAST_WIDTH, width) - len(indent)
    lines: list[str] = []
    for line in plain(text).split("\n"):
        parts = textwrap.wrap(line, room, break_long_words=True, replace_whitespace=False, drop_whitespace=False)
        lines += [f"{indent}{part.rstrip()}" for part in parts or [""]]
    return lines


def body(item: ReviewItem, metric: MetricDefinition, record: QueueRecord, screen: Screen) -> list[str]:
    """What is to be judged, and what is known of it."""
    lines: list[str] = []
    if record.definition.instructions:
        lines += [*wrapped(record.definition.instructions, screen.width, ""), ""]
    for name, text in item.inputs.items():
        lines += [f"── {name} ", *wrapped(text, screen.width), ""]
    if not item.inputs:
        lines += ["(there is nothing to read about this target)", ""]
    if item.result is not None:
        lines += [*_judged(item, screen), ""]
    for other in item.others:
        said = f"{other.annotator}: {as_text(other.expected)}"
        lines += wrapped(f"{said}, because {other.explanation}" if other.explanation else said, screen.width, "")
    if item.others:
        lines.append("")
    if metric.guidelines and not record.definition.blind:
        lines += ["── guidelines", *_lines(wrapped(f"• {each.text}", screen.width) for each in metric.guidelines), ""]
    return lines


def head(item: ReviewItem, record: QueueRecord, annotator: str, screen: Screen) -> list[str]:
    """Where the reviewer is."""
    progress, ref = record.progress, item.target
    mine = progress.verdicts.get(annotator, 0)
    done = progress.items - progress.waiting
    line = f"{item.queue} · {item.metric} · {done}/{progress.items} done · {mine} by you"
    if progress.disputed:
        line += f" · {progress.disputed} disputed"
    why = f" · {item.source}" if item.source else ""
    return [plain(line)[: screen.width], plain(f"{ref.level} {ref.key}{why}")[: screen.width], ""]


def asked(metric: MetricDefinition) -> str:
    """What can be pressed or written."""
    keys = "  ".join(f"[{choice.key}] {choice.name}" for choice in choices(metric))
    if is_list(metric):
        return f"{keys}  digits of all that apply, then Enter (Enter alone: none)"
    if keys:
        return keys
    match metric.output_type:
        case OutputType.PERCENTAGE:
            return "write a number from 0.0 to 1.0, then Enter"
        case OutputType.TEXT:
            return "press Enter, write what it should have said"
        case OutputType.CATEGORICAL:
            return "write a label, then Enter"
        case _:
            low = "" if metric.minimum is None else f" from {metric.minimum:g}"
            high = "" if metric.maximum is None else f" to {metric.maximum:g}"
            return f"write a number{low}{high}, then Enter"


def pages(lines: Sequence[str], room: int) -> list[Sequence[str]]:
    """Lines in pages of at most `room`."""
    size = max(LEAST_HEIGHT, room)
    return [lines[start : start + size] for start in range(0, len(lines), size)] or [[]]


def _judged(item: ReviewItem, screen: Screen) -> list[str]:
    result = item.result
    assert result is not None
    verdict = as_text(_score(result.value, result.label, result.labels, result.text))
    if isinstance(result.error, Failure):
        verdict = f"failed: {result.error.code}"
    who = f" ({result.judge_model})" if result.judge_model else ""
    lines = [f"── the judge{plain(who)}: {plain(verdict) or str(result.status)}"]
    return lines + (wrapped(result.explanation, screen.width) if result.explanation else [])


def _score(value: float | None, label: str, labels: tuple[str, ...], text: str) -> Score | None:
    return (
        None
        if value is None and not (label or labels or text)
        else Score(value=value, label=label, labels=labels, text=text)
    )


def _lines(parts: Iterable[Sequence[str]]) -> list[str]:
    return [line for part in parts for line in part]
