"""What would make an explanation more useful.  It advises and never refuses.

Source: seed 000's table of vague and good corrections.
"""

from __future__ import annotations

import re

MIN_WORDS = 6
MAX_CHARACTERS = 4_000
_BECAUSE = re.compile(
    r"\b(because|since|as it|as the|so that|therefore|violat\w+|contradict\w*|miss(es|ing|ed)|lacks?|lacking|omits?|"
    r"omitted|without|instead|although|but|only|not?|never|should have|ought|fails? to|failed to|despite|according to|"
    r"unlike|rather than|due to|which|whereas|while|the user|the customer|the response|the answer|the assistant|"
    r"the agent|the tool)\b|[=:—–]|\bper\b",
    re.IGNORECASE,
)
_ENGLISH = re.compile(r"\b(the|is|was|it|this|that|should|of|as|to|and)\b", re.IGNORECASE)
"""Of another language it is not known what gives a reason."""
_EMPTY = re.compile(
    r"^\W*(i think |i feel |imo |clearly |just |simply |obviously )*"
    r"(this|that|it|the (score|label|result|verdict|value|judge|metric|answer|rating))?"
    r"('s| is| was| are| seems?| looks?)?"
    r"\W*(just |simply |totally |completely |clearly |obviously |very |so )*"
    r"(should (not )?be (flagged|true|false|higher|lower|passed|failed|changed|different)|wrong|incorrect|bad|good|"
    r"fine|correct|right|ok|okay|no|yes|nope|not (right|correct|good|true|ok)|too (high|low|strict|lenient)|off|false|"
    r"true|disagree|agree|n/?a|none|todo|\?+)?"
    r"( here| now| again| imo| please| i think)*\W*$",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")

NOTHING = "say why: without an explanation it counts as a label, and no guideline can come of it"
VAGUE = (
    "name what in the input or output makes it so, and the criterion it meets or violates: "
    "“should be flagged, because the response recommends a dosage without a disclaimer”"
)
SHORT = "a few words more: what happened, and what it should have been"
UNREASONED = "say because of what: the part of the input or output that decides, and the criterion"
LONG = "shorter: name the point that decides; long explanations are cut before anything is learned from them"


def advice(explanation: str) -> tuple[str, ...]:
    """What to change about an explanation, most important first; empty where it is fine."""
    text = explanation.strip()
    if not text:
        return (NOTHING,)
    if len(text) > MAX_CHARACTERS:
        return (LONG,)
    if _EMPTY.match(text[:500]):
        return (VAGUE,)
    words = len(_WORD.findall(text))
    if not text.isascii() and words < MIN_WORDS:
        words = max(words, len(text) // 3)  # scripts without blanks between their words
    if words < MIN_WORDS:
        return (SHORT,) if _BECAUSE.search(text) else (VAGUE,)
    return () if _BECAUSE.search(text) or not _ENGLISH.search(text) else (UNREASONED,)
