"""The command line: parse flags, call."""


def main() -> int:
    """Run the command that the arguments name."""
    return 0
