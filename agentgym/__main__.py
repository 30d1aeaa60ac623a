"""`python -m agentgym`: the same as the `agentgym` command."""

from agentgym.cli.start import main

if __name__ == "__main__":
    main()
