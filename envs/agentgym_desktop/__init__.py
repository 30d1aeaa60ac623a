"""The desktop world: a sandboxed Linux desktop with real apps, without a daemon or a virtual machine."""
