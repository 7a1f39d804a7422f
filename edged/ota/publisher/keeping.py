"""What a person is told who has just been given keys."""

NOTE_NAME = "KEYS.txt"

NOTE = """\
How to keep these keys
======================

keys/root-*.pem        three keys, two of which together decide who else may sign. They are needed to add a channel and
                       to replace keys, hardly ever otherwise. MOVE each to a stick or a safe of its own now, with its
                       passphrase elsewhere; `edged ota ... --keys /media/STICK` finds it there. Keep copies.
keys/targets-*.pem     says which models and configurations there are. Whoever has it and its passphrase can have devices
                       run another model, as far as their own checks let it pass.
keys/snapshot-*.pem    say what is the newest and that it still is. They are needed for every step, also by
keys/timestamp-*.pem   `edged ota refresh`, which has to run before the timestamp expires (every month is a good habit).

channels/NAME.root.json is no secret: it goes onto every device that follows channel NAME, and is where its trust begins.
Who can put another in its place on the way there owns the device, so take it there by a way that you trust. It changes with
the keys; devices follow by themselves, and new ones get the newest.

One root key is lost or stolen: nothing is lost yet. `edged ota rotate root` with the other two, now.
Two are lost: every device has to be given a new root by hand. Two are stolen: the same, and today.
An online key is stolen: `edged ota rotate timestamp snapshot targets`, then look with `edged ota list` at what it signed.

The rest of this directory is no secret and worth a backup: blobs/ is what `edged ota rollback` goes back to.
"""
