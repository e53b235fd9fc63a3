"""Files and rows that strangers may send: each is made by code, and each has its exact error, or is accepted as said.

- `sounds.py`, `sound_table.py`: recordings; `rows.py`: rows of a manifest; `documents.py`: cards, settings, mappings
- `containment.py`: what every case is held to: a time, a memory bound, and no write or address outside its own folder
- `test_*.py`: the tables put through every way in; `test_fuzz.py`: the readers under hypothesis
"""
