"""The package as an object."""

from __future__ import annotations

import pickle
import subprocess
import sys

import agentgym


def test_the_package_pickles_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(agentgym)) is agentgym
    assert pickle.loads(pickle.dumps(agentgym.train)) is agentgym.train


def test_a_function_of_a_script_that_names_the_package_is_sent_to_ray() -> None:
    code = """
import agentgym
import ray.cloudpickle

def double(x):
    return agentgym.Click(x=x, y=2 * x)

assert ray.cloudpickle.loads(ray.cloudpickle.dumps(double))(4) == agentgym.Click(x=4, y=8)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
