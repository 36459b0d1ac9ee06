"""One file for each group of commands. They import nothing heavy: what a command needs it imports when it runs."""
