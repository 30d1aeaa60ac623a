"""Many environments at once."""

from __future__ import annotations

import agentgym

MANY = 64


def test_sixty_four_environments_play_at_once_without_an_error() -> None:
    env = agentgym.make_vec("miniwob-quickstart", num_envs=MANY)
    try:
        _, infos = env.reset(seed=0)
        assert not infos["infrastructure"].any()
        env.action_space.seed(0)
        for _ in range(2):
            batch, _, _, _, infos = env.step(env.action_space.sample())
            assert len(batch["elements"]) == MANY
            assert not infos["infrastructure"].any(), infos["reason"][infos["infrastructure"]]
        env.send(env.action_space.sample())
        received = 0
        while received < MANY:
            infos = env.recv(min_envs=min(8, MANY - received))[4]
            assert not infos["infrastructure"].any(), infos["reason"][infos["infrastructure"]]
            received += len(infos["env_id"])
    finally:
        env.close()
