"""``python -m edged.infer.probe FD``: started by ``edged.infer.probe.prober``, never by hand."""

import sys

from edged.infer.probe.server import main

main(int(sys.argv[1]))
