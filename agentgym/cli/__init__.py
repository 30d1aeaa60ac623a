"""The command line: `agentgym tasks | eval | train | report | doctor`."""
