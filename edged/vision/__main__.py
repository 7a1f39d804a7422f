"""``python -m edged.vision FD NOTE``, two descriptors: started by the supervisor, never by hand."""

import sys

from edged.vision.process import main

main(int(sys.argv[1]), int(sys.argv[2]))
