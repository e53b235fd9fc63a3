"""Any model under test as an OpenAI-compatible server with sound in and out, and a page to talk to it.

- `requests.py` turns a chat request into a `Query`, `replies.py` a `Response` into a reply, whole or streamed
- `live.py` gives out the pieces of an answer while the model makes it
- `errors.py` words errors as OpenAI's clients expect them
- `worker.py` is the one thread that owns the model, with a short line of questions before it
- `memory.py` keeps the last answers, so that a client can name one by its id
- `guard.py` looks at every request before anything else: host, origin, token
- `app.py` ties these to addresses, `server.py` listens
- `page/` is the demo: one HTML file, its script and its style, without anything from elsewhere

What it needs beyond the harness (`pip install 'aqaa-eval[serve]'`) is imported when a server starts, not before.
"""
