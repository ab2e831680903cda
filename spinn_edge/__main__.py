"""``python -m spinn_edge`` is ``spinn-edge``."""

from spinn_edge.cli.app import main

if __name__ == "__main__":
    main()
