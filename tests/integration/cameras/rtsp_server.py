"""A network camera: GStreamer's RTSP server, whose pictures carry the clock as a bar code.

Run by the system's Python, which has ``gi``. It prints its port once it listens, and takes orders on stdin, one a line: ``size
1280x720`` changes the resolution, ``damage 20`` overwrites the inside of the next 20 encoded pictures. It leaves when stdin closes.
"""

import argparse
import sys

import barcode
import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

H264 = "x264enc tune=zerolatency sliced-threads=false threads=1 speed-preset=ultrafast bitrate=1500"  # none held back
H265 = "x265enc tune=zerolatency speed-preset=ultrafast bitrate=1500"
ENCODERS = {
    "h264": f"{H264} key-int-max={{gop}} name=encoder ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96",
    "h265": f"{H265} key-int-max={{gop}} name=encoder ! h265parse config-interval=-1 ! rtph265pay name=pay0 pt=96",
    "mjpeg": "jpegenc name=encoder ! rtpjpegpay name=pay0 pt=26",
    "theora": "theoraenc name=encoder ! rtptheorapay name=pay0 pt=96",
    "audio": "fakesink audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8",
}


class Camera(GstRtspServer.RTSPMediaFactory):
    def __init__(self, options):
        super().__init__()
        self._fps = options.fps
        self._size = options.size
        self._source = None
        self._damage = 0
        caps = f"video/x-raw,format=I420,width={self._size[0]},height={self._size[1]},framerate={self._fps}/1"
        source = f"appsrc name=source is-live=true format=time do-timestamp=true block=false caps={caps}"
        self.set_launch(f"( {source} ! queue ! {ENCODERS[options.codec].format(gop=options.gop)} )")
        self.set_shared(True)
        self.set_latency(0)

    def do_configure(self, media):
        bin = media.get_element()
        self._source = bin.get_by_name_recurse_up("source")
        if encoder := bin.get_by_name_recurse_up("encoder"):
            encoder.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, self._spoil)
        GLib.timeout_add(1000 // self._fps, self._tick, self._source)

    def resize(self, size):
        self._size = size

    def damage(self, count):
        self._damage = count

    def _tick(self, source):
        width, height = self._size
        caps = Gst.Caps.from_string(f"video/x-raw,format=I420,width={width},height={height},framerate={self._fps}/1")
        if not source.get_property("caps").is_equal(caps):
            source.set_caps(caps)
        picture = barcode.row(barcode.now(), width) * height + b"\x80" * (width * height // 2)
        return source.emit("push-buffer", Gst.Buffer.new_wrapped(picture)) == Gst.FlowReturn.OK

    def _spoil(self, _pad, info):
        if self._damage:
            self._damage -= 1
            buffer = info.get_buffer()
            whole = bytearray(buffer.extract_dup(0, buffer.get_size()))
            whole[len(whole) // 3 :] = b"\xaa" * (len(whole) - len(whole) // 3)  # the head with its parameters stays
            spoilt = Gst.Buffer.new_wrapped(bytes(whole))
            spoilt.pts, spoilt.dts, spoilt.duration = buffer.pts, buffer.dts, buffer.duration
            _pad.push(spoilt)
            return Gst.PadProbeReturn.DROP
        return Gst.PadProbeReturn.OK


def guard(server, options):
    """Ask for a user name and a password, by digest and basic, and encrypt if there is a certificate."""
    auth = GstRtspServer.RTSPAuth()
    if options.certificate:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(options.certificate))
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if options.user:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST if options.digest else GstRtsp.RTSPAuthMethod.BASIC)
        if options.digest:
            auth.add_digest(options.user, options.password, token)
        else:
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(options.user, options.password), token)
    else:
        auth.set_default_token(token)
    server.set_auth(auth)


def obey(channel, _condition, loop, camera):
    line = channel.readline()
    if not line:
        loop.quit()
        return False
    verb, value = line.split()
    if verb == "size":
        camera.resize(size(value))
    else:
        camera.damage(int(value))
    return True


def size(text):
    width, height = map(int, text.split("x"))
    return width, height


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", default="0")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--gop", type=int, default=25)
    parser.add_argument("--size", type=size, default=(640, 480))
    parser.add_argument("--codec", choices=ENCODERS, default="h264")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--digest", action="store_true")
    parser.add_argument("--certificate", help="PEM with the certificate and its key; serves rtsps")
    options = parser.parse_args()
    Gst.init(None)
    loop = GLib.MainLoop()
    server, camera = GstRtspServer.RTSPServer(), Camera(options)
    server.set_address(options.address)
    server.set_service(options.port)
    if options.user or options.certificate:
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("user", "media.factory.access", True)
        permissions.add_permission_for_role("user", "media.factory.construct", True)
        camera.set_permissions(permissions)
        guard(server, options)
    server.get_mount_points().add_factory("/cam", camera)
    if server.attach(None) == 0:
        sys.exit(f"cannot listen on {options.address}:{options.port}")
    print(server.get_bound_port(), flush=True)
    GLib.io_add_watch(sys.stdin, GLib.IO_IN | GLib.IO_HUP, obey, loop, camera)
    loop.run()


main()
