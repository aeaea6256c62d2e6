"""`assay review`: item after item of a queue, a key for each verdict."""

from __future__ import annotations

import shutil
import sys
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.connection import client
from assay.cli.console import CommandFailed
from assay.cli.main import DataDir, app
from assay.cli.people import As, who
from assay.cli.scores import SCORE

if TYPE_CHECKING:
    from assay.cli.review_input import Hears
    from assay.client import Client
    from assay.client_queues import Completed, ReviewItem
    from evaluator.feedback.verdicts import Stated
    from evaluator.metrics.definition import MetricDefinition
    from evaluator.reviewing.definition import QueueRecord


@app.command("review", rich_help_panel=SCORE)
def review(
    queue: Annotated[str, typer.Argument(help="The review queue's name.")],
    annotator: As = "",
    data_dir: DataDir = None,
) -> None:
    """Give verdicts on the items of a queue: one key each, `?` for help.  Goes on where you stopped."""
    from assay.cli.review_input import listening

    me = who(annotator)
    with client(data_dir) as service, listening() as hears:
        sitting = Sitting(service=service, hears=hears, queue=queue, annotator=me)
        try:
            sitting.run()
        finally:
            print(sitting.summary(), file=sys.stderr if not hears.by_key else sys.stdout)


@dataclass(slots=True)
class Step:
    """An item of this sitting, what is to be said about it, and what was said."""

    item: ReviewItem
    why: str = ""
    given: Completed | None = None
    skipped: bool = False
    page: int = 0
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(slots=True, kw_only=True)
class Sitting:
    """One reviewer at one queue."""

    service: Client
    hears: Hears
    queue: str
    annotator: str
    steps: list[Step] = field(default_factory=list)
    place: int = 0
    note: str = ""

    def run(self) -> None:
        """Until nothing is left, or the reviewer leaves."""
        from assay.client import CallFailed

        while True:
            if self.place == len(self.steps) and not self._claimed():
                return
            step = self.steps[self.place]
            try:
                record, metric = self._about(step.item)
                self._show(step, record, metric)
                if self._answered(step, metric) is False:
                    return
            except CallFailed as error:
                if error.reason in ("RESERVATION_LOST", "ITEM_NOT_FOUND"):
                    self.note = error.message
                    self._drop(step)
                elif error.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "INVALID_ARGUMENT"):
                    self.note = f"not sent: {error.message}; try again"
                    if self.hears.by_key or error.code == "INVALID_ARGUMENT":
                        continue
                    raise
                else:
                    raise

    def summary(self) -> str:
        """What was done."""
        given = sum(step.given is not None for step in self.steps)
        skipped = sum(step.skipped for step in self.steps)
        return f"{given} verdict{'' if given == 1 else 's'} by {self.annotator}, {skipped} skipped"

    def _claimed(self) -> bool:
        from assay.client import CallFailed

        try:
            item = self.service.claim_next(self.queue, self.annotator)
        except CallFailed as error:
            if error.reason != "QUEUE_EMPTY":
                raise
            self._say(error.message)
            return False
        known = next((number for number, step in enumerate(self.steps) if step.item.item_id == item.item_id), None)
        if known is not None:  # it was undone elsewhere, or stands there again
            self.steps.append(self.steps.pop(known))
            self.place = len(self.steps) - 1
            self.steps[-1] = Step(item)
        else:
            self.steps.append(Step(item))
        return True

    def _about(self, item: ReviewItem) -> tuple[QueueRecord, MetricDefinition]:
        record = self.service.get_queue(self.queue)
        return record, self.service.get_metric(item.metric, item.metric_version).definition

    def _show(self, step: Step, record: QueueRecord, metric: MetricDefinition) -> None:
        from assay.cli.review_view import Screen, asked, body, head, pages, wrapped

        size = shutil.get_terminal_size()
        screen = Screen(size.columns, size.lines) if self.hears.by_key else Screen(100, 10**9)
        top = head(step.item, record, self.annotator, screen)
        foot = [*wrapped(asked(metric), screen.width, "")]
        if step.why:
            foot = [*wrapped(f"why: {step.why}", screen.width, "")[:4], *foot]
        if step.given is not None:
            foot = ["you have given a verdict on this; a new one replaces it", *foot]
        if self.note:
            foot = [*wrapped(self.note, screen.width, ""), *foot]
        self.note = ""
        parts = pages(body(step.item, metric, record, screen), screen.height - len(top) - len(foot) - 3)
        step.page %= len(parts)
        more = f"page {step.page + 1} of {len(parts)}, space for the next  " if len(parts) > 1 else ""
        clear = "\x1b[2J\x1b[H" if self.hears.by_key else "\n"
        lines = [*top, *parts[step.page], *foot]
        print(clear + "\n".join(lines) + f"\n{more}[e] why [s]kip [u]ndo [b]ack [?] [q]uit > ", end="", flush=True)

    def _answered(self, step: Step, metric: MetricDefinition) -> bool | None:
        """False = the reviewer leaves."""
        from assay.cli.review_input import END

        key = self.hears.key()
        match key:
            case _ if key == END or key == "q":
                self._say("")
                return False
            case "?":
                self._help()
            case "e":
                self._explain(step)
            case "s":
                self.service.skip_item(self.queue, step.item.item_id, annotator=self.annotator)
                step.skipped = True
                self.place = self.place + 1
            case "u":
                self._undo()
            case "b":
                self._back()
            case " ":
                step.page += 1
            case _:
                self._verdict(step, metric, key)
        return None

    def _verdict(self, step: Step, metric: MetricDefinition, key: str) -> None:
        from assay.cli.review_choices import InvalidFeedback, choices, is_list, written

        stated: Stated | None = None
        pressed = {choice.key: choice.stated for choice in choices(metric)} if self.hears.by_key else {}
        try:
            if key in pressed and not is_list(metric):
                stated, why = pressed[key], ""
            else:
                text = self._text(metric, key)
                if text is None:
                    return
                stated, why = written(metric, text)
        except InvalidFeedback as error:
            self.note = error.reason
            return
        self._give(step, stated, why or step.why)

    def _text(self, metric: MetricDefinition, key: str) -> str | None:
        """A verdict that is written; None = it was given up, or the key means nothing."""
        from assay.cli.review_choices import choices, is_list
        from assay.cli.review_input import ENTER
        from storage.model import OutputType

        whole = metric.output_type is OutputType.TEXT
        if not self.hears.by_key:
            text = "" if key in ENTER else key
        elif whole:
            written = self.hears.editor("") if key in ENTER else None
            text = written if written is not None else self.hears.line("verdict: ", "" if key in ENTER else key) or ""
        elif key in ENTER or (key.isprintable() and (not choices(metric) or is_list(metric))):
            found = "" if key in ENTER and is_list(metric) else self.hears.line("verdict: ", key.strip())
            if found is None:
                return None
            text = found
        else:
            self.note = f"{key!r} means nothing here; ? shows what does"
            return None
        if is_list(metric) and not text:
            return "[]"
        if not text:
            self.note = "nothing was said"
            return None
        return text

    def _give(self, step: Step, stated: Stated, why: str) -> None:
        from evaluator.feedback.verdicts import as_text

        if step.given is not None:
            self.service.retract_feedback(step.given.feedback.feedback_id, annotator=self.annotator)
            step.given, step.request_id = None, str(uuid.uuid4())
        step.given = self.service.complete_item(
            self.queue,
            step.item.item_id,
            annotator=self.annotator,
            expected=stated,
            explanation=why,
            request_id=step.request_id,
        )
        step.skipped, step.why = False, why
        said, stands = step.given.feedback, step.given.resolution
        self.note = f"kept: {as_text(said.expected)}" + (f" ({stands.status})" if stands else "")
        if why and said.advice:
            self.note += f"; a better why: {said.advice[0]}"
        self.place += 1

    def _undo(self) -> None:
        last = next((number for number in reversed(range(len(self.steps))) if self.steps[number].given), None)
        if last is None:
            self.note = "there is no verdict of this sitting to undo"
            return
        step = self.steps[last]
        assert step.given is not None
        self.service.retract_feedback(step.given.feedback.feedback_id, annotator=self.annotator)
        step.given, step.request_id = None, str(uuid.uuid4())
        self.place, self.note = last, "your last verdict is taken back; this is its item"

    def _back(self) -> None:
        if self.place == 0:
            self.note = "this is the first item of this sitting"
        else:
            self.place -= 1

    def _drop(self, step: Step) -> None:
        self.steps.remove(step)
        self.place = min(self.place, len(self.steps))

    def _explain(self, step: Step) -> None:
        try:
            text = self.hears.editor(step.why)
        except (CommandFailed, OSError) as error:
            self.note = str(error)
            return
        if text is None:
            text = self.hears.line("why: ", step.why if self.hears.by_key else "")
        if text is not None:
            step.why = text

    def _help(self) -> None:
        from assay.cli.review_view import HELP

        print(f"\n{HELP}")
        if self.hears.by_key:
            print("any key goes on", end="", flush=True)
            self.hears.key()

    def _say(self, text: str) -> None:
        if text or self.hears.by_key:
            print(text)
