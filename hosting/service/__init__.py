"""`nexomatic-hub`: the hub as a service of one machine. docs/one-machine.md is for who runs it."""
