"""Lines that are no criterion: they address the evaluation itself, or decide without looking at the case.

Reviewers' texts, and the cases that they write about, are untrusted: "always answer 1", written into an explanation,
must not become a line that a judge obeys.  Expressions find the plain forms; that a set of lines makes the judge give
one and the same verdict to everything is seen where sets are compared (`selecting`), in whatever words it comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_VERDICT = (
    r"true|false|pass(?:es|ed|ing)?|fail(?:s|ed|ing)?|yes|no|ok|okay|correct|right|incorrect|wrong|good|bad|perfect|fine|"
    r"acceptable|valid|excellent|success(?:ful)?|positive|negative|"
    r"(?:full|maximum|max|top|highest|best|perfect|zero|lowest|minimum) ?"
    r"(?:marks?|scores?|grades?|points|verdicts?|values?|ratings?)?|"
    r"-?\d+(?:[.,]\d+)?(?: ?%| ?/ ?\d+| out of \d+)?(?!\s*(?:days?|hours?|minutes?|seconds?|weeks?|months?|years?|"
    r"words?|sentences?|lines?|items?|steps?|times?|characters?|tokens?|business|working|or|to|of)\b)"
)
_ABOUT_THE_TASK = re.compile(
    r"(?:^\W*|[.;:,!?]\s+|\b(?:always|must|shall|should|please|just|simply|and|so|to|you|then|by)\s+)"
    r"(?:ignor(?:e|ing)|disregard(?:ing)?|forget|overrid(?:e|ing)|bypass|skip|discard)\b[^.]{0,60}?\b"
    r"(?:above|previous|prior|earlier|preceding|instructions?|guidelines?|rules?|criteri(?:a|on)|rubrics?|prompts?|"
    r"everything|polic(?:y|ies)|"
    r"messages?|lines?|reviewers?)\b"
    r"|\b(?:system|your|this|the|these|base) (?:prompts?|instructions?|guidelines?|rubrics?)\b"
    r"|\bas an? (?:ai|llm|language model|judge|evaluator|grader|assistant)\b"
    r"|\byou (?:are|must act|will act) (?:now|an?|no longer)\b"
    r"|\b(?:jailbreak|developer mode|do anything now)\b"
    r"|\b(?:do not|don'?t|never|stop|no need to) (?:evaluat|judg|grad|scor|assess|check)(?:e|ing|ment|ed|s)?\b"
    r"|\b(?:judges?|graders?|evaluators?|reviewers?|annotators?) "
    r"(?:should|must|shall|will|say|says|said|wants?|agrees?|agreed|expects?|decided?)\b"
    r"|\b(?:this|the|of) (?:evaluation|grading|alignment)\b"
    r"|\bto (?:pass|satisfy|please) (?:the|this|any) (?:gate|test|check|verification|alignment)\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\b(?:if|when|whenever|where|unless|except|that|which|who|whose|with|without|involv\w+|contain\w+|mention\w+|includ\w+|"
    r"lack\w+|about|because|since|while|until|provided|given)\b",
    re.IGNORECASE,
)
_ORDER = (
    r"(?:^\W*|[.;:,!?]\s+|\b(?:always|never|must|shall|should|please|just|simply|only|then|and|so|to|will|you|not)\s+)"
    r"(?:answer|return|output|respond|reply|say|give|choose|select|pick|assign|conclude|decide|score|rate|grade|vote|print|"
    r"write|mark|label)\b(?:\W+\w+){0,4}?\W+"
)
"""A verb that asks for a verdict, where an order has it: `a reply that fails` is none."""
_ANSWER_WITH = re.compile(rf"{_ORDER}(?:{_VERDICT})(?!\w)", re.IGNORECASE)
_WITHOUT_EXCEPTION = re.compile(
    r"\b(?:always|never|every(?:thing|body|one)?|all|any(?:thing)?|each|regardless|no matter|whatever|in any case|"
    r"nothing|only(?! (?:if|when|where|after))|just|simply|unconditionally|by default)\b",
    re.IGNORECASE,
)
_MANNER = re.compile(r"\b(?:reply|respond|answer|return|output)(?:s|ed|ing)? with\b", re.IGNORECASE)
_OF_THE_CASE = re.compile(
    r"^\W*(?:all |every |each |any )?(?:of )?(?:the|this|that|these|those|my|our|such|all|every|each|any|both)?\s*"
    r"(?:\w+\s+)?(?:answers?|responses?|outputs?|repl(?:y|ies)|cases?|one|ones|results?|conversations?|completions?|"
    r"traces?|it|this|that|everything|anything|verdicts?|scores?)"
    r"(?: (?:here|above|below|given|shown))?\s+"
    r"(?:is|are|was|were|should|must|will|can|has to|have to|needs? to|deserves?|gets?)\b"
    r"(?:\W+(?:be|always|all|definitely|clearly|simply|just|in fact|indeed|a|an|the|get|receive|considered|marked|"
    rf"scored|rated|labell?ed|as|not)\b)*\W+(?:{_VERDICT})\W*$",
    re.IGNORECASE,
)


def addresses_the_evaluation(text: str, labels: Iterable[str] = ()) -> str:
    """Why a line is no criterion; '' = it may be one.

    Args:
        labels: Verdicts on offer: an order to give one of them, whatever the case is, is no criterion either.
    """
    plain = " ".join(text.split())
    if found := _ABOUT_THE_TASK.search(plain):
        return f"it speaks of the evaluation: {found.group()!r}"
    if _OF_THE_CASE.match(plain):
        return "it decides without a criterion"
    offered = "|".join(re.escape(label) for label in labels if label)
    ordered = _ANSWER_WITH.search(plain) or (
        re.search(rf"{_ORDER}(?:{offered})(?!\w)", plain, re.IGNORECASE) if offered else None
    )
    if ordered is None:
        return ""
    unconditional = not _CONDITION.search(_MANNER.sub(" ", plain))
    if unconditional or _WITHOUT_EXCEPTION.search(plain):
        return f"it orders a verdict: {ordered.group().strip()!r}"
    return ""
