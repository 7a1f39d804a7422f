"""The one place where OpenCV is imported, after its limits are set; its environment variables are read at import.

Never imported by the main process.
"""

from __future__ import annotations

import os

os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(1 << 25)  # a 1.2 MB PNG may claim 20000 x 20000; 33 MP is any real camera
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")  # seconds; a camera without buffers would block for 10
os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "16")  # AV_LOG_ERROR

import cv2

cv2.setNumThreads(1)  # a small resize is not worth waking a pool, whose threads would take the cores from the interpreter

__all__ = ["cv2"]
