"""What StepEval-Audio-360's nine categories are called, in English and in Chinese, and the suites that they are."""

from __future__ import annotations

from collections.abc import Mapping

from aqaa_eval.core.errors import UnknownName
from aqaa_eval.tasks.outside.fields import plain_name
from aqaa_eval.tasks.suite import BUNDLED

TITLES: Mapping[str, str] = {
    "voice_control": "Speech Emotion Control",
    "creativity": "Creativity",
    "language_ability": "Language Ability",
    "gaming": "Gaming",
    "role_play": "Role-playing",
    "logical_reasoning": "Logical Reasoning",
    "voice_understanding": "Voice Understanding",
    "singing": "Sing",
    "instruction_following": "Voice Instruction Following",
}
"""The official names, as the project's README prints them."""

_LABELS: Mapping[str, str] = {
    "voice_control": "voice control|emotion control|speech emotion|emotion|speech control|语音情感控制|情感控制|"
    "语音控制|情绪控制|语音情绪控制|声音控制|情感表达|情感",
    "creativity": "creation|creative|creative ability|创造力|创造性|创意|创作|创作能力",
    "language_ability": "language|languages|multilingual|language capability|语言能力|语言|多语言|语种|多语种",
    "gaming": "game|games|playing games|游戏|游戏互动|玩游戏|游戏能力",
    "role_play": "role play|roleplay|role playing|角色扮演|角色",
    "logical_reasoning": "logic|reasoning|logical|逻辑推理|逻辑|推理|逻辑能力",
    "voice_understanding": "speech understanding|audio understanding|voice comprehension|语音理解|声音理解|音频理解",
    "singing": "singing|song|vocal|唱歌|歌唱|演唱|歌曲",
    "instruction_following": "instruction following|voice instruction|instruction|speech instruction following|"
    "语音指令遵循|语音指令跟随|指令遵循|指令跟随|指令遵从|语音指令|指令",
}

_SUITE_OF = {
    plain_name(label): suite for suite in BUNDLED for label in (suite, TITLES[suite], *_LABELS[suite].split("|"))
}


def suite_of_label(label: str, by_hand: Mapping[str, str]) -> str:
    """The suite that a label means; "" if it means none.

    Args:
        label: as the data have it.
        by_hand: suite by label, where it is given; it wins.

    Raises:
        UnknownName: a suite that is given by hand is none of the nine.

    >>> suite_of_label("Role-Playing", {}), suite_of_label("语音情感控制", {}), suite_of_label("weather", {})
    ('role_play', 'voice_control', '')
    """
    for given, suite in by_hand.items():
        if plain_name(given) == plain_name(label):
            if suite not in BUNDLED:
                raise UnknownName("suite", suite, BUNDLED)
            return suite
    return _SUITE_OF.get(plain_name(label), "")
