"""Starts the simulator of `align_sim` on a free port: in this process, or as a child that takes no CPU of ours.

async with Simulation(seed=7) as simulation:
    simulation.base_url, await simulation.stats()

python -m benchmarks.align_serving --seed 7      # prints its address, serves until its input is closed
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

from benchmarks.align_sim import JudgeCfg, Server, World, spans


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A world and how its models behave; see `align_sim`.

    Attributes:
        null: Labels do not depend on the content: nothing can be learnt.
        label_noise: Share of labels that are drawn anew.
        malformed: Share of the judge's answers that are cut.
        error_rate: Share of all requests that get a 429.
        memorises: The reflection model is `memorising`.
        call_noise: Share of verdicts that turn with each call; 0.0 = equal questions have equal answers.
    """

    seed: int
    output_type: str = "boolean"
    null: bool = False
    label_noise: float = 0.0
    malformed: float = 0.0
    error_rate: float = 0.0
    latency_ms: float = 0.0
    call_noise: float = 0.01
    memorises: bool = False

    def world(self) -> World:
        """The hidden policy, its items and its words."""
        return World(self.seed, null=self.null, label_noise=self.label_noise)

    def server(self, reflection: Callable[[str], str] | None = None) -> Server:
        """What answers."""
        configuration = JudgeCfg(eps_call=self.call_noise, malformed=self.malformed)
        options = (self.world(), configuration, self.output_type, self.latency_ms, self.error_rate)
        if self.memorises:
            reflection = memorising(self.world())
        return Server(*options) if reflection is None else _Reflecting(reflection, *options)


def memorising(world: World) -> Callable[[str], str]:
    """A reflection model that learns cases by heart: each line holds for one customer, whose name it writes small."""

    def reflect(asked: str) -> str:
        found, cases = [], spans(asked)
        ends = [*(start for _, start, _ in cases[1:]), len(asked)][: len(cases)]
        for number, ((_, start, end), until) in enumerate(zip(cases, ends, strict=True)):
            concepts = world.detect(asked[start:end], world.concepts)
            name = re.search(r"Dear (\w+)\.", asked[start:end])
            if name and concepts and re.search(r'name="expected">\nfalse', asked[end:until]):
                norm = world.concepts[concepts[0]].norms[0]
                text = f"In the case of {name[1].lower()}, responses involving {norm} should fail."
                found.append({"guideline_text": text, "source_row_ids": [number]})
        return json.dumps({"guidelines": found})

    return reflect


class _Reflecting(Server):
    """Whose reflection model answers what a function makes of its messages, one text."""

    def __init__(self, reflection: Callable[[str], str], *options: Any) -> None:
        super().__init__(*options)
        self._reflection = reflection

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        completion: dict[str, Any] = super().complete(body)
        if not str(body.get("model", "")).startswith("sim-judge"):
            asked = "\n".join(str(message["content"]) for message in body["messages"])
            completion["choices"][0]["message"]["content"] = self._reflection(asked)
        return completion


class Simulation:
    """`async with Simulation(Setting(seed=7)) as simulation:` serves at `simulation.base_url` until the block ends.

    Args:
        reflection: What the reflection model answers instead of the simulated one, from the text that it is asked.
    """

    def __init__(self, setting: Setting, *, reflection: Callable[[str], str] | None = None) -> None:
        self.setting = setting
        self.server = setting.server(reflection)
        self.base_url = ""
        self._runner = web.AppRunner(self.server.app(), access_log=None, shutdown_timeout=0.1)

    @property
    def stats(self) -> Mapping[str, int]:
        """Calls and tokens so far, by kind."""
        return dict(self.server.stats)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()


@asynccontextmanager
async def child(setting: Setting) -> AsyncIterator[str]:
    """The same in a process of its own; its address.  `stats_of` tells what it was asked."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in asdict(setting).items()]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.align_serving", *options,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        await process.wait()


async def stats_of(base_url: str) -> Mapping[str, int]:
    """Calls and tokens so far of a simulation at an address."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(base_url.removesuffix("/v1") + "/stats") as response,
    ):
        found: dict[str, int] = json.loads(await response.text())
        return found


def main() -> None:
    """Serve until standard input ends: a child does not outlive its parent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    usual = Setting(seed=0)
    parser.add_argument("--output-type", default=usual.output_type)
    for name in ("null", "memorises"):
        parser.add_argument(f"--{name}", type=lambda text: text == "True", default=getattr(usual, name))
    for name in ("label_noise", "malformed", "error_rate", "latency_ms", "call_noise"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(usual, name))
    options: dict[str, Any] = vars(parser.parse_args())

    async def serve() -> None:
        async with Simulation(Setting(**options)) as simulation:
            print(simulation.base_url, flush=True)
            await asyncio.to_thread(sys.stdin.read)

    asyncio.run(serve())


if __name__ == "__main__":
    main()
