"""`python evaluation/run.py COMMAND ...`, from any folder; the commands are in `evaluation.cli`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    # Python puts this file's folder first, where there is no vos_kd, and where a file could hide a standard module.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    # Threads that wait by spinning take the cores from whatever else runs, and are waited for in turn; see
    # vos_kd/segment.py. Read once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        from evaluation.cli import main

        sys.exit(main())
    except KeyboardInterrupt:  # while importing; later ones are the command's
        sys.stderr.write("interrupted\n")
        sys.exit(130)
