"""What a judge reads of a target, kept as it was when a person spoke about it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging import template
from evaluator.metrics.judging.judge_metric import Redact, visible
from evaluator.metrics.judging.media import attachments
from evaluator.scoring.subject import Subject
from evaluator.targets.inputs import INPUT_NAMES
from storage.dialects.table import keys_of
from storage.feedback import Snapshot
from storage.model import Level, MetricKind

OTHERS_CHARACTERS = 32_768
"""Of inputs that the metric does not read now, but another version of it may."""
MAX_SEGMENT_CHARACTERS = 200
_VERSION = "service.version"


def snapshot_of(definition: MetricDefinition, subject: Subject, redact: Redact | None) -> Snapshot:
    """What the metric reads, whole; of everything else as much as stays small.  All as a judge may see it.

    A target that is too large to be read has no inputs.
    """
    segment = {"level": str(subject.record.ref.level), **_segment(subject)}
    if subject.refused:
        return Snapshot(inputs={}, segment=segment)
    material = subject.material
    read = _read_by(definition)
    inputs, _ = visible(read, material.inputs, redact)
    room = OTHERS_CHARACTERS
    for name in INPUT_NAMES:
        text = "" if name in read else material.inputs.get(name, "")
        if text.strip() and len(text) <= room:
            room -= len(text)
            inputs |= visible((name,), material.inputs, redact)[0]
    return Snapshot(
        inputs={name: inputs[name] for name in INPUT_NAMES if name in inputs},
        span_kind=material.kind,
        has_media=bool(attachments(material.record, read or INPUT_NAMES)),
        segment=segment,
    )


def group_key(subject: Subject, snapshot: Snapshot) -> str:
    """What keeps related feedback in one split: the session, else the trace, else a digest of the inputs."""
    ref = subject.record.ref
    if ref.level is Level.SESSION:
        return ref.session_id
    session_id = subject.read[0].record.session_id if subject.read else None
    if session_id or ref.trace_id:
        return session_id or ref.trace_id
    text = json.dumps(dict(snapshot.inputs), sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _read_by(definition: MetricDefinition) -> tuple[str, ...]:
    if definition.kind is not MetricKind.JUDGE:
        return ()
    names = template.parse(definition.prompt, definition.arguments).names
    return tuple(name for name in INPUT_NAMES if name in names)


def _segment(subject: Subject) -> Mapping[str, str]:
    anchor = subject.record.anchor
    told: dict[str, str] = {"service": anchor.service_name}
    for each in subject.read:
        carried = each.attributes_of(anchor.span_id)
        if carried is None:
            continue
        span, resource = carried
        keys = [(resource if column == "ResourceAttributes" else span).get(key, "") for column, key in _ENVIRONMENT]
        told["environment"] = next(filter(None, keys), "")
        told["version"] = resource.get(_VERSION, "")
        break
    return {name: text[:MAX_SEGMENT_CHARACTERS] for name, text in told.items() if text}


_ENVIRONMENT = tuple(keys_of("environment"))
