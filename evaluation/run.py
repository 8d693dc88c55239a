"""`python evaluation/run.py COMMAND ...`, from any folder; the commands are in `evaluation.cli`."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # Python puts this file's folder first, where there is no vos_kd, and where a file could hide a standard module.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    try:
        import vos_kd

        vos_kd.prepare_process()
        from evaluation.cli import main

        sys.exit(main())
    except KeyboardInterrupt:  # while importing; later ones are the command's
        sys.stderr.write("interrupted\n")
        sys.exit(130)
