"""Speech to text, with silence, loops and hallucinations named.

A recogniser (`recogniser.py`) turns sound into words and nothing else: `whisper.py` (openai-whisper, the default),
`faster_whisper.py` (CTranslate2), `hf_whisper.py` (transformers), `http.py` (any server with OpenAI's
`/v1/audio/transcriptions`). `guarded.py` puts the same guards around each: a voice-activity gate, `speech_cut.py`,
the doubts of `suspicion.py`, a second try, and the mark. `windows.py` makes batches. `two_ears.py` marks the words on
which a second one disagrees.

The language (`language_choice.py`) is detected with the suite's languages going first; `--asr-set language=detect`
leaves the suite out of it, `language=ja` forces one. It is not forced by default, not even where an item demands one:
Mandarin decoded as English comes out as English nonsense, and nobody would see that the answer was in Mandarin. What is
heard in another language than the item demands is marked `wrong_language` by the engine, for every recogniser alike.
"""
