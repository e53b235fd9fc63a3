"""Models under test, a file each. Every one offers `build(argument, options) -> SpeechModel`."""
