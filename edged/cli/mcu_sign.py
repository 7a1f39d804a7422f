"""Placeholder until signing is there."""


def register(actions):
    pass
