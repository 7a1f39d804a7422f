import os, subprocess
def sh(c):
    p = subprocess.run(c, shell=True, capture_output=True, text=True); print("$", c, p.returncode); print(p.stdout, p.stderr)
def test_explore():
    sh("ls -la /dev/video*; cat /sys/class/video4linux/video0/name; nproc; free -m; uname -a; ls -la /dev | head -50")
    sh("v4l2-ctl -d0 -L"); sh("v4l2-ctl -d0 --all"); sh("v4l2-ctl -d0 --list-formats-ext | head -80"); sh("v4l2-ctl -d0 --list-inputs"); sh("v4l2-ctl --list-devices")
