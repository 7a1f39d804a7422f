"""``python -m edged.ota.trust FD``: started by ``edged.ota.trust.keeper``, never by hand."""

import sys

from edged.ota.trust.child import main

main(int(sys.argv[1]))
