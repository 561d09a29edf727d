"""The page. It reads the store and draws; what changes anything is done by starting the `opro` command."""
