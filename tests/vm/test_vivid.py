import os, subprocess, time, threading, traceback
from edged.core.errors import EdgedError
from edged.sources.devices import list_cameras, holders
from edged.sources.open import open_source
from edged.sources.settings import SourceSettings, V4l2Settings
def sh(c):
    p = subprocess.run(c, shell=True, capture_output=True, text=True); print("$", c, p.returncode, p.stdout, p.stderr)
def op(device=0, **k):
    t=time.monotonic(); s=open_source("door", SourceSettings(v4l2=V4l2Settings(device=device, **k))); print("opened %.3f"%(time.monotonic()-t), s.info); return s
def rd(s):
    t=time.monotonic()
    try:
        f=s.read(); n=time.monotonic_ns(); print("read %.3f"%(time.monotonic()-t), f.seq, f.image.shape, "mean %.1f std %.1f"%(f.image.mean(), f.image.std()), "age ms %.2f"%((n-f.captured_ns)/1e6)); return f
    except EdgedError as e: print("read %.3f"%(time.monotonic()-t), type(e).__name__, e)
def tr(f):
    try: return f()
    except EdgedError as e: print(type(e).__name__, e)
    except BaseException as e: traceback.print_exc()
def test_explore():
    print(list_cameras())
    for k in [{}, dict(width=320,height=180), dict(width=640,height=360,fps=10), dict(width=640,height=360,fps=15,pixel_format="YUYV"), dict(width=640,height=360,pixel_format="MJPG"), dict(width=1280,height=720,fps=30), dict(width=1000,height=700,fps=7), dict(width=640,height=480,fps=25), dict(width=320,height=180,fps=60)]:
        print("=====",k)
        s=tr(lambda: op(**k))
        if s:
            for i in range(4): rd(s)
            sh("v4l2-ctl -d0 --get-fmt-video --get-parm"); s.close()
    for c in ["disconnect","inject_fatal_streaming_error","inject_v4l2_buf_flag_error","inject_vidioc_qbuf_error","inject_vidioc_reqbufs_error","inject_vidioc_streamon_error"]:
        print("=====",c); s=op(width=320,height=180); rd(s); rd(s); sh(f"v4l2-ctl -d0 -c {c}=1")
        for i in range(4): rd(s)
        s.close(); 
        s=tr(lambda: op(width=320,height=180))
        if s: rd(s); rd(s); s.close()
        s=tr(lambda: op(width=320,height=180))
        if s: rd(s); rd(s); s.close()
    for c in ["inject_vidioc_reqbufs_error","inject_vidioc_streamon_error","inject_vidioc_qbuf_error","inject_v4l2_buf_flag_error", "disconnect"]:
        print("===== before open",c); sh(f"v4l2-ctl -d0 -c {c}=1")
        s=tr(lambda: op(width=320,height=180))
        if s: rd(s); rd(s); s.close()
        s=tr(lambda: op(width=320,height=180))
        if s: rd(s); rd(s); s.close()
    print("===== dropped"); s=op(width=320,height=180); rd(s); sh("v4l2-ctl -d0 -c percentage_of_dropped_buffers=100"); rd(s); rd(s); sh("v4l2-ctl -d0 -c percentage_of_dropped_buffers=0"); rd(s); s.close()
    s=op(width=320,height=180); rd(s)
    print("===== busy"); tr(lambda: op(width=320,height=180)); 
    tr(lambda: op(width=640,height=360));
    rd(s); rd(s); s.close()
    p=subprocess.Popen(["v4l2-ctl","-d0","--stream-mmap","--stream-count=100000"],stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); time.sleep(3); print(holders(__import__("pathlib").Path("/dev/video0"))); tr(lambda: op(width=320,height=180)); p.kill(); p.wait()
    s=tr(lambda: op(width=320,height=180)); rd(s); s.close()
    sh("python3 -m edged doctor; python3 -m edged doctor --json")
    sh("modprobe -r vivid; ls /dev/video*"); tr(lambda: op()); print(list_cameras())
