"""PPO in one flat function, as CleanRL writes it: a loop that knows Gymnasium's vector API and nothing of agentgym.

What the classic loop leaves to its reader is done here: actions are drawn under ``infos["action_mask"]``, and steps
that only reset an episode (NEXT_STEP autoreset), or in which the machine failed, are not learnt from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv

GAMMA, GAE_LAMBDA, CLIP, ENTROPY, VALUE = 0.9, 0.95, 0.2, 0.01, 0.5


class Agent(nn.Module):
    """One small network that looks at each element by itself; the critic takes the mean of what it saw."""

    def __init__(self, num_elements: int, num_features: int) -> None:
        super().__init__()
        self.shape = (num_elements, num_features)
        self.body = nn.Sequential(nn.Linear(num_features, 32), nn.Tanh())
        self.actor = nn.Linear(32, 1)
        self.critic = nn.Linear(32, 1)

    def forward(self, obs: torch.Tensor, mask: torch.Tensor) -> tuple[Categorical, torch.Tensor]:
        seen = self.body(obs.reshape(*obs.shape[:-1], *self.shape))  # (..., N, 32)
        logits = self.actor(seen).squeeze(-1).masked_fill(mask == 0, -1e8)
        return Categorical(logits=logits), self.critic(seen.mean(-2)).squeeze(-1)


def train(envs: VectorEnv[Any, Any, Any], *, updates: int, steps: int, lr: float = 0.01, seed: int = 0) -> Agent:
    """Train on ``updates * steps`` steps of all environments; the observations are (N, features) rows laid flat."""
    torch.manual_seed(seed)
    num_elements = int(envs.single_action_space.n)  # type: ignore[attr-defined]  # a Discrete
    assert envs.single_observation_space.shape is not None
    num_features = envs.single_observation_space.shape[0] // num_elements
    agent = Agent(num_elements, num_features)
    optimizer = torch.optim.Adam(agent.parameters(), lr=lr)
    shape = (steps, envs.num_envs)
    obs = torch.zeros(*shape, num_elements * num_features)
    masks = torch.zeros(*shape, num_elements)
    actions, logprobs, rewards, dones, values = (torch.zeros(shape) for _ in range(5))
    valid = torch.zeros(shape, dtype=torch.bool)
    next_obs, infos = envs.reset(seed=seed)
    next_done = torch.zeros(envs.num_envs)
    for _ in range(updates):
        for step in range(steps):
            obs[step] = torch.as_tensor(next_obs)
            masks[step] = torch.as_tensor(infos["action_mask"])
            dones[step] = next_done
            with torch.no_grad():
                choice, values[step] = agent(obs[step], masks[step])
                action = choice.sample()
            actions[step], logprobs[step] = action, choice.log_prob(action)
            next_obs, reward, terminated, truncated, infos = envs.step(action.numpy())
            rewards[step] = torch.as_tensor(reward)
            valid[step] = (dones[step] == 0) & ~torch.as_tensor(infos["infrastructure"])
            next_done = torch.as_tensor(np.logical_or(terminated, truncated)).float()
        with torch.no_grad():
            next_value = agent(torch.as_tensor(next_obs), torch.as_tensor(infos["action_mask"]))[1]
        advantages, carried = torch.zeros(shape), torch.zeros(envs.num_envs)
        for step in reversed(range(steps)):
            last = step == steps - 1
            goes_on = 1 - (next_done if last else dones[step + 1])
            value_then = next_value if last else values[step + 1]
            delta = rewards[step] + GAMMA * value_then * goes_on - values[step]
            carried = delta + GAMMA * GAE_LAMBDA * goes_on * carried
            advantages[step] = carried
        returns = advantages + values
        for _ in range(4):
            choice, value = agent(obs[valid], masks[valid])
            ratio = (choice.log_prob(actions[valid]) - logprobs[valid]).exp()
            adv = (advantages[valid] - advantages[valid].mean()) / (advantages[valid].std() + 1e-8)
            policy_loss = -torch.min(ratio * adv, ratio.clamp(1 - CLIP, 1 + CLIP) * adv).mean()
            value_loss = (value - returns[valid]).square().mean()
            loss = policy_loss + VALUE * value_loss - ENTROPY * choice.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimizer.step()
    return agent
