"""The simulator that alignment is measured against is the one of the design."""

import hashlib
import json

from benchmarks.align_serving import Setting, Simulation, child, stats_of
from benchmarks.align_sim import JudgeCfg, Server, World

WORLDS = "4c55257627e2fe8ae667051715bb92c4"
"""Of what the design's own file gives for the same calls."""


def test_its_worlds_and_answers_are_those_of_the_design() -> None:
    """Figures compare with the design's table only where the worlds are the same, letter by letter."""
    digest = hashlib.blake2b(digest_size=16)
    for seed in (1, 2):
        for output_type in ("boolean", "categorical", "discrete", "percentage", "count"):
            world = World(seed, label_noise=0.1)
            server = Server(world, JudgeCfg(), output_type)
            for number in range(20):
                item = world.item("a", number, output_type)
                prompt = f"{world.concepts[world.rules[0]].norms[0]} should fail.\n{item['input']}\n{item['output']}"
                body = {"model": "sim-judge", "messages": [{"role": "user", "content": prompt}]}
                seen = [item["input"], item["output"], item["expected"], server.complete(body)["choices"]]
                digest.update(json.dumps(seen).encode())
    assert digest.hexdigest() == WORLDS


async def test_it_starts_in_this_process_or_in_one_of_its_own_and_counts_what_it_is_asked() -> None:
    """A free port each, so that any number of tests and measurements can run side by side."""
    setting = Setting(seed=3, null=True, label_noise=0.1)
    async with Simulation(setting) as simulation, child(setting) as url:
        assert simulation.base_url != url
        assert await stats_of(url) == await stats_of(simulation.base_url) == dict.fromkeys(simulation.stats, 0)
