"""Servers that misbehave on purpose, for testing whatever talks to one: part of the product, not of its tests.

`server.py` is a scripted HTTP server, `judge_server.py` a chat server on top of it whose verdict is a pure function of
the request and which breaks in every way that real ones do, at a share that is given. Both need no package that the
harness does not have. They listen on the loopback interface only.
"""
