"""`python -m facebeam`: the console script, for when its folder is not on the PATH."""

import sys

from facebeam.runners.cli import main

sys.exit(main())
