"""Three renderings of one report: what they say, and that nothing in them can do harm."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from report_parts import HOSTILE, LINK, SCRIPT, report
from rich.cells import cell_len

from assay.cli.alignment_view import to_text
from evaluator.alignment.model import Verdict
from evaluator.alignment.reporting import plots, wording
from evaluator.alignment.reporting.markdown import escaped, to_markdown
from evaluator.alignment.reporting.page import POLICY, to_html
from evaluator.alignment.reporting.report import Report
from evaluator.alignment.running.outcome import Counts
from evaluator.statistics.estimate import Estimate
from storage.model import OutputType, Score

ALLOWED = frozenset(
    {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "h2",
        "h3",
        "p",
        "strong",
        "br",
        "div",
        "section",
        "ul",
        "li",
    }
    | {"table", "thead", "tbody", "tr", "th", "td", "span", "pre", "code", "article", "dl", "dt", "dd"}
    | {"svg", "text", "line", "rect", "circle", "g"}
)
EMPTY = Report(
    alignment_id="7f0b0c5e-0000-4000-8000-000000000000",
    metric="tone",
    metric_version=1,
    output_type=OutputType.BOOLEAN,
    status="Error",
    sentence="MODEL_UNAVAILABLE: the judge: connection refused",
)


class Page(HTMLParser):
    """Elements, attributes and texts of a page, as a browser would read them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See `HTMLParser`, here and below."""
        self.tags.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}
        if tag not in ("meta", "br") and not self.get_starttag_text().endswith("/>"):  # type: ignore[union-attr]
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("line", "rect", "circle"):
            return
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.texts)


def test_nothing_that_somebody_wrote_becomes_part_of_the_page() -> None:
    """Only elements that the page itself has, each of them closed; the hostile text is there as text."""
    page = Page(to_html(report()))
    assert page.tags <= ALLOWED
    assert page.open == []
    assert not {name for name, _ in page.attributes if name.startswith("on") or name in ("href", "src", "srcset")}
    assert page.text.count("<script>alert(1)</script>") > 10
    assert "\x1b" not in page.text
    assert "\u202e" not in page.text


def test_the_page_needs_nothing_else() -> None:
    """No script, no address, nothing that a style would fetch; and it forbids itself to load anything."""
    html = to_html(report(text="harmless"))
    assert ("content", POLICY) in Page(html).attributes
    assert re.findall(r"https?://[^\"' <]+", html) == ["http://www.w3.org/2000/svg"] * html.count("<svg ")
    assert "url(" not in html
    assert "@import" not in html
    assert "<script" not in html
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def test_the_page_has_a_plot_of_agreement_of_confusion_and_of_flips() -> None:
    """Each number is in a plot, with its interval."""
    html = to_html(report(text="harmless"))
    titles = re.findall(r'aria-label="([^"]+)"', html)
    assert titles == [
        "Agreement before and after",
        "mean absolute error before and after",
        "Confusion before",
        "Confusion after",
        "Rows whose verdict changes",
    ]
    drawn = plots.agreement(report(text="harmless"))
    assert re.findall(r"<g class=\"(\w+)\"><title>([^<]+)</title>", drawn) == [
        ("before", "before: 0.21 [0.11, 0.31]"), ("after", "after: 0.74 [0.64, 0.84]"),
        ("before", "before: 60 % [50, 70]"), ("after", "after: 91 % [81, 101]"),
        ("before", "before: 0.40 [0.30, 0.50]"), ("after", "after: 0.10 [0.00, 0.20]"),
    ]  # fmt: skip
    flips = plots.flips(report(text="harmless"))
    assert re.findall(r">(\d+) (broken|fixed)<", flips) == [
        ("1", "broken"), ("1", "fixed"), ("0", "broken"), ("1", "fixed"), ("1", "broken"), ("0", "fixed"),
    ]  # fmt: skip
    confusion = plots.confusions(report(text="harmless"))
    assert "24 × expected true, concluded false" in confusion
    assert "36 × expected true, concluded true" in confusion


def test_the_markdown_says_what_people_wrote_and_does_nothing_of_it() -> None:
    """No link, image, HTML or markup comes out of what people, models and applications wrote."""
    tokens = list(_flat(MarkdownIt("commonmark").enable("table").parse(to_markdown(report()))))
    kinds = {token.type for token in tokens}
    assert kinds.isdisjoint({"link_open", "image", "html_inline", "html_block"})
    said = " ".join(token.content for token in tokens if token.type in ("text", "text_special"))
    assert "alert" in said
    assert "click" in said
    fences = [token for token in tokens if token.type == "fence"]
    assert len(fences) == 1
    assert "```" in fences[0].content


def test_every_row_of_a_markdown_table_has_as_many_cells_as_its_head() -> None:
    """A bar in a text is no border."""
    for table in re.findall(r"(?:^\|.*\|\n)+", to_markdown(report()), re.MULTILINE):
        rows = [re.findall(r"(?<!\\)\|", line) for line in table.splitlines()]
        assert len({len(row) for row in rows}) == 1


@pytest.mark.parametrize("text", [SCRIPT, LINK, "1. one", "# title", "a_b*c*", "www.evil.example", "x" * 500])
def test_what_is_escaped_reads_as_it_was(text: str) -> None:
    """In Markdown, it says what it said."""
    [paragraph] = [each for each in MarkdownIt("commonmark").parse("- x: " + escaped(text)) if each.type == "inline"]
    words = "".join(each.content for each in paragraph.children or () if each.type in ("text", "text_special"))
    assert words == f"x: {text}"


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_the_terminal_gets_no_line_that_is_too_long_and_nothing_that_moves_its_cursor(width: int) -> None:
    """At most 100 columns, without colours, without a control character."""
    text = to_text(report(text=HOSTILE + " 長い" * 50), width=width)
    assert max(map(cell_len, text.splitlines())) <= min(width, 100)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


def test_the_terminal_says_it_without_colour() -> None:
    """Verdict, lines with their state, statistics, flips with the command that looks at them."""
    text = to_text(report(text="plain"))
    for words in (
        "supported: the guidelines help, beyond chance, on rows they have not seen",
        "?  Never.",
        "was: plain",
        "-  Gone.",
        "Cohen's κ            0.21 [0.11, 0.31]  0.74 [0.64, 0.84]  +0.53 [+0.43, +0.63]   80",
        "agreement            60 % [50, 70]      91 % [81, 101]     +31 points [+21, +41]  80",
        "p = 0.0003 (exact one-sided McNemar)",
        "Rows whose verdict changes: 1 broken, 1 fixed",
        f"assay score list --target {'a' * 32}:{'b' * 16}",
        "resolved annotations            96",
        "1,000 evaluations               0.12 USD  price not known",
    ):
        assert words in text, words
    assert re.search(r"^\+ +Flag a dosage\. plain +9 +7 +1$", text, re.MULTILINE)
    assert text.index("BROKEN") < text.index("fixed   session")


def test_a_command_for_a_hostile_session_is_quoted() -> None:
    """It can be pasted into a shell."""
    assert report(text="x").flips[1].command.startswith("assay score list --target 'session:s'\"'\"'; rm -rf / ")


def test_a_run_that_failed_has_a_report_that_says_why() -> None:
    """With nothing found, every rendering still says what happened and what was taken."""
    for text in (to_text(EMPTY), to_markdown(EMPTY), Page(to_html(EMPTY)).text):
        assert "Error" in text
        assert "connection refused" in text.replace("\\", "")
        assert "0 calls of the judge" in text
    assert "<svg" not in to_html(EMPTY)


@pytest.mark.parametrize(
    ("statistic", "output", "estimate", "said", "as_difference"),
    [
        ("agreement", OutputType.BOOLEAN, Estimate(value=0.625, lower=0.5, upper=0.75), "62 % [50, 75]",
         "+62 points [+50, +75]"),
        ("cohen_kappa", OutputType.BOOLEAN, Estimate(value=-0.004), "-0.00", "-0.00"),
        ("mae", OutputType.PERCENTAGE, Estimate(value=0.168), "16.8 points", "+16.8 points"),
        ("mae", OutputType.COUNT, Estimate(value=0.5), "0.50", "+0.50"),
        ("bias", OutputType.DISCRETE, Estimate(value=0.25), "+0.25", "+0.25"),
        ("spearman", OutputType.COUNT, Estimate(note="one value only"), "– (one value only)", "– (one value only)"),
    ],
)  # fmt: skip
def test_numbers_are_written_with_their_unit(
    statistic: str, output: OutputType, estimate: Estimate, said: str, as_difference: str
) -> None:
    """Shares in per cent, their differences in points; what is not defined is no 0."""
    assert wording.figure(statistic, estimate, output) == said
    assert wording.difference(statistic, estimate, output) == as_difference


def test_every_verdict_says_what_to_do() -> None:
    """Beside what it means."""
    assert set(wording.VERDICTS) == set(wording.DECISIONS) == set(Verdict)


@pytest.mark.parametrize(
    ("output", "score", "said"),
    [
        (OutputType.BOOLEAN, Score(value=1.0), "true"),
        (OutputType.PERCENTAGE, Score(value=0.6), "60 %"),
        (OutputType.DISCRETE, Score(value=4.0), "4"),
        (OutputType.CATEGORICAL, Score(label="rude\n\x1b[1m"), "rude \ufffd[1m"),
        (OutputType.MULTILABEL, Score(labels=("a", "b")), "a, b"),
        (OutputType.BOOLEAN, None, "no verdict"),
    ],
)
def test_verdicts_are_written_as_people_say_them(output: OutputType, score: Score | None, said: str) -> None:
    """In the metric's own output type."""
    assert wording.verdict_of(score, output) == said


def test_rows_that_could_not_be_used_are_counted_with_their_reasons() -> None:
    """What did not occur takes no line, but for the counts that everybody looks for."""
    counts = Counts(annotations=3, disagreements=2, excluded={"schema_changed": 1})
    assert [(what, number) for what, number, _ in wording.counted(counts)] == [
        ("resolved annotations", 3), ("disagreements", 2), ("disagreements when asked again", 0),
        ("agreeing, skipped", 0), ("excluded: schema_changed", 1),
    ]  # fmt: skip


def _flat(tokens: list[Token]) -> list[Token]:
    return [each for token in tokens for each in (token, *_flat(token.children or []))]
