"""The Step-1 decoder: normalisation, square-root ALiBi, grouped-query attention, cache, blocks, model."""
