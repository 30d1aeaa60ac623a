"""Ready run configurations, addressed by name: `agentgym train quickstart`."""
