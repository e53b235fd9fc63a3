"""What a table of conversations can tell, and the column names under which it is usually told.

The names are compared without case, spaces and signs: `Audio Path`, `audio_path` and `audioPath` are one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping


def _names(listed: str) -> tuple[str, ...]:
    return tuple(listed.split())


FIELDS: Mapping[str, tuple[str, ...]] = {
    "audio": _names(
        "audio audiopath audiofile audiofilepath audiofilename audios audiopaths audiofiles audiolist useraudio "
        "questionaudio queryaudio promptaudio inputaudio audioinput instructionaudio speech speechpath wav wavpath "
        "wavfile wavs recording recordingpath sound filename file filepath path 音频 音频路径 语音 录音"
    ),
    "turns": _names("turns conversations conversation dialogue dialog messages dialogs rounds chat 对话 多轮对话"),
    "id": _names("id key sampleid itemid questionid uid uuid index idx 编号 序号"),
    "conversation": _names(
        "conversationid convid dialogid dialogueid sessionid session chatid threadid groupid conversation dialogue "
        "dialog 对话id 对话编号 会话id"
    ),
    "turn": _names("turn turnid turnindex turnidx turnno turnnumber round roundid roundindex roundno order 轮次 轮"),
    "role": _names("role from speakerrole sender 角色"),
    "text": _names(
        "text question prompt query instruction transcript transcription usertext questiontext querytext prompttext "
        "sentence utterance content value input 文本 问题 提问"
    ),
    "reference": _names(
        "reference referenceanswer answer answers groundtruth target gold expected output response 参考答案 答案"
    ),
    "rubric": _names("rubric criteria criterion evaluationcriteria 评分标准"),
    "category": _names(
        "category categoryname capability ability dimension task tasktype type skill subset label class "
        "类别 分类 能力 维度 任务 任务类型"
    ),
    "language": _names("language lang locale 语言 语种"),
    "answer_language": _names("answerlanguage targetlanguage responselanguage"),
    "voice": _names("voice speaker speakerid accent 音色 说话人"),
    "sha256": ("sha256",),
    "duration_s": ("durations", "duration", "audioduration"),
    "checks": ("checks",),
    "checklist": ("checklist",),
}
"""Known names by field, the likelier first."""

_LANGUAGES = {
    "english": "en",
    "eng": "en",
    "英语": "en",
    "英文": "en",
    "chinese": "zh",
    "mandarin": "zh",
    "cantonese": "yue",
    "中文": "zh",
    "汉语": "zh",
    "普通话": "zh",
    "四川话": "zh",
    "粤语": "yue",
    "japanese": "ja",
    "日语": "ja",
    "日文": "ja",
}


def plain_name(name: str) -> str:
    """A column's name or a label as it is compared.

    >>> plain_name("Audio_Path"), plain_name("能力 "), plain_name("Role-playing")
    ('audiopath', '能力', 'roleplaying')
    """
    return "".join(char for char in unicodedata.normalize("NFKC", name).casefold() if char.isalnum())


def language_tag(label: str) -> str:
    """The primary tag that a label of a language means; "" if it means none that we know.

    >>> language_tag("zh-CN"), language_tag("English"), language_tag("粤语"), language_tag("mixed")
    ('zh', 'en', 'yue', '')
    """
    head = label.strip().replace("_", "-").split("-", 1)[0].casefold()
    if len(head) in (2, 3) and head.isascii() and head.isalpha() and head not in _LANGUAGES:
        return head
    return _LANGUAGES.get(plain_name(label), "")
