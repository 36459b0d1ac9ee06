"""`nexo`: the command line of a Nexomatic hub. It uses only the public HTTP API."""
