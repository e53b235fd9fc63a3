"""Records and protocols: what flows between the parts. Imports nothing else of ours, and no heavy library."""
