"""Three corrections teach a judge: the first story of docs/alignment.md, with the Python client.

Needs a running installation with a judge (`assay up`).  Reads the trace ids of examples/app.py:

    python examples/app.py | python examples/align/three_corrections.py
"""

import sys

from assay.cli.connection import address_of
from assay.client import Client, Level, TargetRef
from assay.scorers import make_judge

WHY = 'It should be false: saying "{words}" repeats the question, and a plain answer names the fact and stops there.'
CORRECTED = {"capital of": 2, "wrote": 1}
"""Words that repeat a question, and how many of the answers are corrected because of them."""

judge = make_judge(
    name="plain_answer",
    instructions="Is the answer plain: the fact and nothing else?\n\n{{ inputs }}\n\n{{ outputs }}",
    feedback_value_type=bool,
).register()

traces = [TargetRef(level=Level.TRACE, trace_id=line) for line in sys.stdin.read().split()]
with Client(address_of()) as client:
    results = client.evaluate(traces, ["plain_answer"])
    print(f"1. {len(results)} answers judged: {', '.join(result.label for result in results)}")
    left = dict(CORRECTED)
    for result in results:
        words = next((each for each in left if left[each] and result.label == "true"), "")
        if words:
            left[words] -= 1
            client.submit_feedback(
                result.result_id, expected=False, explanation=WHY.format(words=words), annotator="ann"
            )
    print("2. three of them corrected, each with the reason")

alignment = judge.align().wait()
print(f"3. {alignment.status}: {alignment.run.counts.disagreements} disagreements, {alignment.summary}")
print(alignment.guidelines)
report = alignment.report()
print(f"4. the report's verdict is {report.value.verdict}: three corrections prove nothing, so a person has to say why")
done = alignment.accept(override=True, reason="three answers, read one by one; more labels follow")
print(f"5. {done.metric.definition.name} version {done.metric.definition.version} is in force")

with Client(address_of()) as client:
    results = client.evaluate(traces, ["plain_answer"])
    print(f"6. judged again: {', '.join(result.label for result in results)}")
