"""`aqaa-eval rate`: a page where people listen blind and rate, one answer from 1 to 5, or two runs side by side.

- `session.py`: what is rated in which order, and the file that every rating is written to at once
- `app.py`: the addresses, behind the same guard as the model server's
- `server.py`: listening
- `page/`: one HTML file, its script and its style
"""
