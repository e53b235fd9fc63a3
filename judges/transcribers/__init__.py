"""Speech to text, with silence, loops and hallucinations named."""
