"""The tiny domain: several thousand short spoken questions over the nine capabilities, whose answers follow from rules.

`words` holds what is asked about, `templates` how it is asked and answered, `pairs` draws and splits. Everything is
written for this project; the questions of the bundled suites are kept out by `pairs.draw`, and a test proves it.
"""
