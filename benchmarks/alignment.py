"""Does alignment work, and is it honest?  Against the simulator (`align_sim`), through the product's own judge path.

    python -m benchmarks.alignment gain  [--seeds 8 --n 20 50 100 --types boolean --models sim-reflect sim-reflect-weak]
    python -m benchmarks.alignment wrong [--worlds 150 --n 50 --kinds null noise]
    python -m benchmarks.alignment types [--seeds 3 --n 50]
    python -m benchmarks.alignment wrong --kinds memorising --worlds 20 --n 50
    python -m benchmarks.alignment gate  [--n 50]
    python -m benchmarks.alignment cancel [--n 50]

`gain`: agreement on 400 items that the product never sees, without and with what it found; `found` is what it claims
itself.  `wrong`: how often it says "supported" where nothing can be learnt.  Seeds are drawn at run time unless
`--from` says.  The simulator runs in a process of its own; CPU is of this one.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, pstdev

from benchmarks.align_parts import Quiet, aligned_prompt, asked, metric, rows, setting_of
from benchmarks.align_serving import child, stats_of
from benchmarks.align_sim import World
from benchmarks.report import Row as Figures
from benchmarks.report import show, summary
from evaluator.alignment.model import Optimized, Verdict
from evaluator.alignment.optimizing.dvg import DistillVerifyGate
from evaluator.alignment.proof.proof import Proof
from evaluator.alignment.proof.proving import prove
from evaluator.metrics.gaps import row_score
from evaluator.statistics.comparing import wilson

SEALED = 400
PEERS = {
    ("sim-reflect", 10): "0.749", ("sim-reflect", 20): "0.783", ("sim-reflect", 50): "0.910",
    ("sim-reflect", 100): "0.931", ("sim-reflect-weak", 10): "0.738", ("sim-reflect-weak", 20): "0.724",
    ("sim-reflect-weak", 50): "0.866", ("sim-reflect-weak", 100): "0.903",
}  # fmt: skip
"""Rows DVG of the design's table, the better of its two variants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One world.  Scores are mean row scores of sealed items."""

    optimized: Optimized
    proof: Proof
    base: float
    after: float
    judge_calls: int
    reflection_calls: int
    tokens: int
    wall_seconds: float
    cpu_seconds: float
    proof_seconds: float
    seed: int


async def measure(
    seed: int, n: int, output_type: str, model: str, *, kind: str = "real", sealed: int = SEALED
) -> Measured:
    """Align one metric in one world, and look at what the sealed items say."""
    setting = setting_of(kind, seed, output_type)
    world = setting.world()
    definition = metric(output_type, **({"prompt": aligned_prompt(world)} if kind == "noise" else {}))
    labelled = rows(world, n, output_type=output_type)
    if kind == "memorising":  # with nothing that could be learnt otherwise
        labelled = [replace(row, rationales=()) for row in labelled]
    async with child(setting) as url, asked(url, definition, labelled, reflection_model=model) as models:
        wall, cpu = time.monotonic(), time.process_time()
        optimized = await DistillVerifyGate().optimize(
            definition, labelled, delta=None, judge=models.judge, reflector=models.reflector, steps=Quiet(), seed=seed
        )
        proving = time.process_time()
        proof = prove(definition, optimized, seed=seed)
        done, wall = time.process_time(), time.monotonic() - wall
        stats = await stats_of(url)
        held = rows(World(seed), sealed, split="sealed", output_type=output_type)  # the policy itself, without noise
        scores = []
        for guidelines in ((), optimized.guidelines):
            said = await models.judge.predict(guidelines, held) if sealed else []
            right = [row_score(definition, row.expected, each) for row, each in zip(held, said, strict=True)]
            scores.append(fmean(right) if right else 0.0)
    return Measured(
        optimized=optimized,
        proof=proof,
        base=scores[0],
        after=scores[1],
        judge_calls=stats["judge_calls"],
        reflection_calls=stats["reflect_calls"],
        tokens=stats["prompt_tokens"] + stats["completion_tokens"],
        wall_seconds=wall,
        cpu_seconds=done - cpu,
        proof_seconds=done - proving,
        seed=seed,
    )


async def gain(options: argparse.Namespace) -> list[Figures]:
    """One row for each type, model and n."""
    found: list[Figures] = []
    for output_type in options.types:
        for model in options.models:
            for n in options.n:
                worlds = [
                    await measure(options.start + number, n, output_type, model) for number in range(options.seeds)
                ]
                found.append(_gain_row(output_type, model, n, worlds))
                print(found[-1], flush=True)
    return found


def _gain_row(output_type: str, model: str, n: int, worlds: Sequence[Measured]) -> Figures:
    gains = [each.after - each.base for each in worlds]
    claimed = [each.proof.difference.value for each in worlds if each.proof.difference.value is not None]
    optimism = [each.proof.optimism for each in worlds if each.proof.optimism is not None]
    return {
        "type": output_type,
        "reflection": model,
        "n": n,
        "worlds": len(worlds),
        "base": round(fmean(each.base for each in worlds), 3),
        "held out": round(fmean(each.after for each in worlds), 3),
        "SE": round(pstdev(each.after for each in worlds) / max(1, len(worlds) - 1) ** 0.5, 3),
        "gain": round(fmean(gains), 3),
        "found": round(fmean(claimed), 3) if claimed else "-",
        "optimism": round(fmean(optimism), 3) if optimism else "-",
        "design's DVG": PEERS.get((model, n), "-") if output_type == "boolean" else "-",
        "supported": sum(each.proof.verdict is Verdict.SUPPORTED for each in worlds),
        "judge calls": round(fmean(each.judge_calls for each in worlds)),
        "reflections": round(fmean(each.reflection_calls for each in worlds)),
        "k tokens": round(fmean(each.tokens for each in worlds) / 1000),
        "wall s": round(fmean(each.wall_seconds for each in worlds), 1),
        "CPU s": round(fmean(each.cpu_seconds for each in worlds), 1),
    }


async def wrong(options: argparse.Namespace) -> list[Figures]:
    """One row for each kind of world and n, and one of all."""
    found: list[Figures] = []
    total: Counter[str] = Counter()
    for kind in options.kinds:
        for n in options.n:
            verdicts: Counter[str] = Counter()
            for number in range(options.worlds):
                each = await measure(options.start + number, n, "boolean", options.models[0], kind=kind, sealed=0)
                verdicts[str(each.proof.verdict)] += 1
                if each.proof.verdict is Verdict.SUPPORTED:
                    print(f"seed {each.seed}, {kind}: {each.proof.sentence}", flush=True)
            total += verdicts
            found.append(_wrong_row(kind, str(n), verdicts))
            print(found[-1], flush=True)
    return [*found, _wrong_row("all", "", total)]


def _wrong_row(kind: str, n: str, verdicts: Counter[str]) -> Figures:
    rate = wilson(verdicts[str(Verdict.SUPPORTED)], verdicts.total())
    return {
        "worlds": kind,
        "n": n,
        "of": verdicts.total(),
        **{str(verdict): verdicts[str(verdict)] for verdict in Verdict},
        "wrongly supported": f"{rate.value or 0.0:.1%} [{rate.lower or 0.0:.1%}, {rate.upper or 0.0:.1%}]",
    }


async def types(options: argparse.Namespace) -> list[Figures]:
    """The headline statistic of each output type, before and after, on rows held out by the product."""
    found: list[Figures] = []
    for output_type in options.types:
        for n in options.n:
            worlds = [
                await measure(options.start + number, n, output_type, options.models[0])
                for number in range(options.seeds)
            ]
            headlines = [each.proof.comparisons[0] for each in worlds if each.proof.comparisons]
            found.append(
                {
                    "type": output_type,
                    "n": n,
                    "worlds": len(worlds),
                    "statistic": headlines[0].name,
                    "before": round(fmean(each.before.value or 0.0 for each in headlines), 3),
                    "after": round(fmean(each.after.value or 0.0 for each in headlines), 3),
                    "sealed before": round(fmean(each.base for each in worlds), 3),
                    "sealed after": round(fmean(each.after for each in worlds), 3),
                    "supported": sum(each.proof.verdict is Verdict.SUPPORTED for each in worlds),
                }
            )
            print(found[-1], flush=True)
    return found


async def gate(options: argparse.Namespace) -> list[Figures]:
    """CPU of the proof alone, beside that of the whole."""
    found: list[Figures] = []
    for n in options.n:
        worlds = [
            await measure(options.start + k, n, "boolean", options.models[0], sealed=0) for k in range(options.seeds)
        ]
        found.append(
            {
                "n": n,
                "worlds": len(worlds),
                "proof, CPU s": round(fmean(each.proof_seconds for each in worlds), 3),
                "all, CPU s": round(fmean(each.cpu_seconds for each in worlds), 2),
                "share": f"{fmean(each.proof_seconds / each.cpu_seconds for each in worlds):.1%}",
            }
        )
    return found


class Reached:
    """Lets somebody wait until a part of the work has begun."""

    def __init__(self, part: str) -> None:
        self._part = part
        self.begun = asyncio.Event()

    def report(self, done: int, total: int, what: str = "") -> None:
        """A step."""
        if what == self._part:
            self.begun.set()

    def finalizing(self) -> None:
        """Not waited for."""


async def cancel(options: argparse.Namespace) -> list[Figures]:
    """Milliseconds from the cancelling to the end of the optimizer, with calls of 200 ms under way."""
    found: list[Figures] = []
    for part in ("rounds", "folds"):
        waited = []
        for number in range(options.seeds):
            setting = replace(setting_of("real", options.start + number, "boolean"), latency_ms=200.0)
            labelled, reached = rows(setting.world(), options.n[0]), Reached(part)
            async with child(setting) as url, asked(url, metric(), labelled) as models:
                running = asyncio.create_task(
                    DistillVerifyGate().optimize(
                        metric(), labelled, delta=None, judge=models.judge, reflector=models.reflector,
                        steps=reached, seed=1,
                    )
                )  # fmt: skip
                began = asyncio.create_task(reached.begun.wait())
                await asyncio.wait({running, began}, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.sleep(0.3)
                cancelled = time.monotonic()
                running.cancel()
                await asyncio.wait({running})
                waited.append((time.monotonic() - cancelled) * 1000)
                began.cancel()
        found.append({"part": part, "n": options.n[0], "of": len(waited), **summary(waited)})
    return found


FIGURES = {"gain": gain, "wrong": wrong, "types": types, "gate": gate, "cancel": cancel}
TITLES = {
    "gain": "Agreement on sealed items",
    "wrong": "Verdicts where nothing can be learnt",
    "types": "Output types",
    "gate": "Overhead of the proof",
    "cancel": "From cancelling to the end, ms",
}


def main() -> None:
    """Measure one or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*FIGURES, "all"], nargs="?", default="gain")
    parser.add_argument("--seeds", type=int, default=8, help="worlds of each cell")
    parser.add_argument("--worlds", type=int, default=150, help="of `wrong`, of each kind and n")
    parser.add_argument("--n", type=int, nargs="+", default=[20, 50, 100], help="labelled rows")
    parser.add_argument("--types", nargs="+", default=["boolean"])
    parser.add_argument("--models", nargs="+", default=["sim-reflect", "sim-reflect-weak"])
    parser.add_argument("--kinds", nargs="+", default=["null", "noise"])
    parser.add_argument("--from", dest="start", type=int, default=random.randrange(10**6), help="first seed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--runs", type=int, help="ignored: seeds are repetitions")
    options = parser.parse_args()
    for what in FIGURES if options.what == "all" else (options.what,):
        found = asyncio.run(FIGURES[what](options))
        show(f"{TITLES[what]} (seeds from {options.start})", found, as_json=options.json)


if __name__ == "__main__":
    main()
