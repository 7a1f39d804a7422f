"""``python -m edged.vision FD``: started by the supervisor, never by hand."""

import sys

from edged.vision.process import main

main(int(sys.argv[1]))
