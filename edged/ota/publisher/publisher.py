"""What an operator does with a publisher's directory. Each step leaves it as it was, or done; none leaves it in between."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tuf.api.metadata import Key

from edged.core.errors import PublisherFailed
from edged.ota.publisher import channel as rules
from edged.ota.publisher.channel import KEYS, Channel
from edged.ota.publisher.directory import Directory
from edged.ota.publisher.founding import Clock, check_names, found
from edged.ota.publisher.keys import Keyring, Passphrase, file_name, generate
from edged.ota.publisher.release import Article, RolloutChange, changed, matching, newest, packed, revoked, seed
from edged.ota.target import Rollout, SignedTarget
from edged.ota.trust.documents import Scope

log = logging.getLogger(__name__)


class Publisher:
    """An existing directory. ``keys`` are further directories with key files; ``passphrase`` is asked as they are needed.

    Every method raises PublisherFailed.
    """

    def __init__(self, path: Path, passphrase: Passphrase, clock: Clock, keys: Sequence[Path] = ()) -> None:
        self.directory = Directory(path)
        self._ring = Keyring([self.directory.keys, *keys], passphrase)
        self._clock = clock

    def channel(self, name: str) -> Channel:
        """What is published of a channel, as its root says that it is: to be shown or handed on, not to be signed on."""
        return rules.opened(self.directory.bundle(name), Scope(self.directory.fleet, name))

    def channels(self) -> list[Channel]:
        """All of them."""
        return [self.channel(name) for name in self.directory.channels()]

    def add_channel(self, name: str) -> Path:
        """Another channel with the same keys; takes two root keys. Gives the root for devices."""
        with self._changing():
            check_names(name)
            channels = self.channels()
            if name in {it.scope.channel for it in channels}:
                raise PublisherFailed(f"there is a channel {name!r} already")
            root = rules.rooted(channels[0], self._ring).root
            keys = {role: [root.keys[keyid] for keyid in root.roles[role].keyids] for role in KEYS}
            return found(self.directory, Scope(self.directory.fleet, name), keys, self._ring, self._clock)

    def sign(self, channel: str, article: Article, change: RolloutChange) -> SignedTarget:
        """Publish something as the newest of its id."""
        with self._changing():
            before = self._own(channel)
            signed, blob = packed(article, self._next_sequence(article.path), change)
            self.directory.keep_blob(blob)
            return self._release(before, signed)

    def promote(self, path: str, source: str, to: str, change: RolloutChange) -> SignedTarget:
        """Publish in channel ``to`` what is the newest of ``source``, under a new sequence."""
        with self._changing():
            return self._again(self._own(to), newest(self._own(source), path), change)

    def rollback(self, channel: str, path: str, which: str, change: RolloutChange) -> SignedTarget:
        """Publish again, under a higher sequence, what was there before: by its sequence, version or the start of its sha256."""
        with self._changing():
            before = self._own(channel)
            return self._again(before, self._earlier([before], path, which), change)

    def rollout(self, channel: str, path: str, change: RolloutChange) -> SignedTarget:
        """Change who takes a target. Its sequence stays: it is the same thing."""
        with self._changing():
            before = self._own(channel)
            signed = newest(before, path)
            return self._release(before, changed(signed, rollout=change.applied(signed.target.rollout)))

    def revoke(self, path: str, which: str) -> SignedTarget:
        """Have no device run a blob any more, in any channel: those that do go back. Interrupted, it is to be called again."""
        with self._changing():
            channels = [it for it in self._all_own() if path in it.signed]
            bad = self._earlier(channels, path, which)
            for channel in channels:
                known = revoked(channel, path)
                if bad.sha256 not in known:
                    self._release(channel, changed(channel.signed[path], revoked=(*known, bad.sha256)))
            return bad

    def refresh(self, channel: str) -> Channel:
        """Have what is published be good for longer."""
        with self._changing():
            return self._publish(rules.refreshed(self._own(channel), self._ring, self._clock()))

    def rotate(self, roles: Sequence[str], new_passphrase: Passphrase) -> list[Channel]:
        """Replace the keys of these roles in all channels; takes two root keys. Interrupted, it goes on if called without roles."""
        with self.directory.locked():
            pending = self.directory.rotation()
            if pending and roles:
                raise PublisherFailed("a change of keys was interrupted", hint="Finish it: `edged ota rotate` without roles.")
            if not pending and not roles:
                raise PublisherFailed("no change of keys is under way", hint=f"Name roles: {', '.join(KEYS)}.")
            channels = self.channels()
            if roles:
                for channel in channels:
                    rules.rooted(channel, self._ring)  # or there would be new keys that nobody can bring in
                pending = {role: self._new_keys(role, new_passphrase) for role in dict.fromkeys(roles)}
                self.directory.begin_rotation(pending)
            keys = {role: [self._ring.public(role, keyid) for keyid in keyids] for role, keyids in pending.items()}
            channels = [self._rekeyed(channel, keys) for channel in channels]
            used = {file_name(role, keyid) for it in channels for role in KEYS for keyid in it.root.roles[role].keyids}
            self.directory.retire_keys(used)
            self.directory.end_rotation()
            return channels

    def history(self, name: str) -> Iterator[Channel]:
        """What was published of a channel, the newest first; what does not belong to its chain of roots is left out."""
        return self._history(self.channel(name))

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self.directory.locked():
            if self.directory.rotation():
                raise PublisherFailed("a change of keys was interrupted", hint="Finish it: `edged ota rotate` without roles.")
            yield

    def _own(self, name: str) -> Channel:
        """What is published of a channel, signed by our keys: the only thing that is signed on."""
        return rules.anchored(self.channel(name), self._ring)

    def _all_own(self) -> list[Channel]:
        return [self._own(name) for name in self.directory.channels()]

    def _history(self, newest: Channel) -> Iterator[Channel]:
        """It is as good as the root of ``newest``."""
        chain = set(newest.chain)
        for bundle in self.directory.history(newest.scope.channel):
            try:
                channel = rules.opened(bundle, newest.scope)
            except PublisherFailed as error:  # what is torn is not to stand in the way of `revoke`
                log.warning("of the history of channel %s: %s", newest.scope.channel, error)
                continue
            if channel.roots[-1] in chain:
                yield channel

    def _again(self, channel: Channel, signed: SignedTarget, change: RolloutChange) -> SignedTarget:
        """Publish a blob that was published before."""
        self.directory.blob(signed.sha256)
        sequence = self._next_sequence(signed.path)
        rollout = change.applied(Rollout(seed=seed(signed.target.id, sequence)))
        return self._release(channel, changed(signed, sequence=sequence, rollout=rollout))

    def _release(self, channel: Channel, signed: SignedTarget) -> SignedTarget:
        """Publish a target in a channel, where nothing that was revoked is allowed again."""
        known = revoked(channel, signed.path)
        if signed.sha256 in known and channel.signed[signed.path].target.sequence != signed.target.sequence:
            raise PublisherFailed(f"{signed.path} {signed.sha256[:12]} was revoked in channel {channel.scope.channel!r}")
        signed = changed(signed, revoked=tuple(dict.fromkeys([*known, *signed.target.revoked])))
        self._publish(rules.released(channel, self._ring, self._clock(), {signed.path: signed}))
        return signed

    def _publish(self, channel: Channel) -> Channel:
        self.directory.publish(channel.scope.channel, channel.bundle, channel.targets.version)
        return channel

    def _next_sequence(self, path: str) -> int:
        """One that no channel had: a device can be moved from one to another."""
        return 1 + max((it.signed[path].target.sequence for it in self._all_own() if path in it.signed), default=0)

    def _earlier(self, channels: Sequence[Channel], path: str, which: str) -> SignedTarget:
        candidates = (it.signed[path] for channel in channels for it in self._history(channel) if path in it.signed)
        return matching(candidates, path, which)

    def _new_keys(self, role: str, new_passphrase: Passphrase) -> list[str]:
        names = [f"new {role} key {number} of {KEYS[role]}" for number in range(1, KEYS[role] + 1)]
        passphrases = [new_passphrase(name) for name in names]
        for passphrase in passphrases:
            self._ring.learn(passphrase)
        return [generate(self.directory.keys, role, passphrase).keyid for passphrase in passphrases]

    def _rekeyed(self, channel: Channel, keys: dict[str, list[Key]]) -> Channel:
        """The channel with these keys, published; as it is, if it has them already."""
        if all(channel.root.roles[role].keyids == [key.keyid for key in of_role] for role, of_role in keys.items()):
            return channel
        changed = rules.rekeyed(channel, self._ring, self._clock(), keys)
        self.directory.give_root(channel.scope.channel, changed.roots[-1])  # first: who begins with it waits for the rest at worst
        return self._publish(changed)
