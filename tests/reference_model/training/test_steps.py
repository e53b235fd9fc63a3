"""The whole recipe in a few steps on real synthesised speech: every stage leaves a model, and is not made twice."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from aqaa_eval.reference_model import load
from aqaa_eval.reference_model.checkpoint import LoadOptions
from aqaa_eval.reference_model.layout import parse_layout
from aqaa_eval.reference_model.model import random_backbone
from aqaa_eval.reference_model.training import steps
from aqaa_eval.reference_model.training.code_embeddings import place_codes_by_sound
from aqaa_eval.reference_model.training.coding import code_places, make_codes, uses_of_codebooks
from aqaa_eval.reference_model.training.decoders import make_stream_models
from aqaa_eval.reference_model.training.domain.dictation import Dictation, dictations
from aqaa_eval.reference_model.training.domain.kinds import Manner
from aqaa_eval.reference_model.training.domain.pairs import HELD_OUT, TRAIN, Asker, DomainPair, draw
from aqaa_eval.reference_model.training.domain.voice_templates import ABOUT_THE_VOICE
from aqaa_eval.reference_model.training.lessons import Lessons, written
from aqaa_eval.reference_model.training.preferences import Candidate
from aqaa_eval.reference_model.training.recipe import RECIPES, smoke_recipe
from aqaa_eval.reference_model.training.rows import CodedSegment, CodedTurn, TrainingRow
from aqaa_eval.reference_model.training.shipping import ship
from aqaa_eval.reference_model.training.side_by_side import beside
from aqaa_eval.reference_model.training.speech_store import ANSWER, READING, Take, speak_domain
from aqaa_eval.reference_model.training.streams import Streams
from aqaa_eval.reference_model.training.workshop import Workshop
from aqaa_eval.reference_model.vocabulary import Vocabulary

MODELS = {"before", "sft1", "sft2", "dpo", "dpo_plain", "merged"}


class HibariStudio:
    """One real voice for everything; its pitch is not measured."""

    def __init__(self) -> None:
        hibari = pytest.importorskip("hibari", reason="the test voice is hibari-tts, in the offline extra")
        self._voice = hibari.Hibari()

    def ask(self, pair: DomainPair) -> Take:
        return self._take(pair.question)

    def answer(self, text: str, manner: Manner) -> Take:
        return replace(self._take(text), f0_hz=np.full(400, 120.0, np.float32))

    def _take(self, text: str) -> Take:
        samples = np.asarray(self._voice(text, seed=0), np.float32)
        return Take(samples=samples, sample_rate_hz=24_000, phonemes="".join(self._voice.phonemize(text)))


def longer(pair: DomainPair, candidates: list[Candidate]) -> list[float]:
    return [float(len(candidate.samples)) for candidate in candidates]


def some_pairs() -> list[DomainPair]:
    askers = [
        Asker(name=f"{split}-{sex}", sounds_like=sex, languages=("en", "ja"), split=split)
        for split in (TRAIN, HELD_OUT)
        for sex in ("man", "woman")
    ]
    pairs = [pair for pair in draw(askers) if pair.language == "en"]
    trained = [pair for pair in pairs if pair.split == TRAIN]
    held_out = [pair for pair in pairs if pair.split == HELD_OUT][:2]
    return [*trained[:: len(trained) // 24], *dictations(askers, Dictation(n_rows=3, seed=0)), *held_out]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Sums of several threads are rounded in another order: two jobs would differ from one in the last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    recipe = smoke_recipe()
    small = replace(recipe.config, hift=replace(recipe.config.hift, base_channels=16), max_new_tokens=48)
    recipe = replace(recipe, n_preferences=2, config=small)
    shop = Workshop(recipe=recipe, folder=tmp_path_factory.mktemp("work"), pairs=some_pairs())
    speak_domain(shop.pairs, HibariStudio(), shop.speech)
    return shop


@pytest.fixture(scope="module")
def merged(shop: Workshop) -> Path:
    return make(shop)


def make(shop: Workshop) -> Path:
    tokenizer = steps.make_tokenizer(shop)
    codes = make_codes(shop, tokenizer)
    return steps.make_models(shop, codes, tokenizer, lambda: steps.make_vocoder(shop, codes), longer) / steps.MERGED


def test_every_stage_leaves_a_model_that_answers(shop, merged):
    assert {path.name for path in shop.models.iterdir()} == MODELS
    model = load(str(merged))
    assert model.config == shop.recipe.config


def test_decoders_of_one_codebook_never_learn_the_other(shop, merged):
    tokenizer = steps.make_tokenizer(shop)
    codes = make_codes(shop, tokenizer)
    make_stream_models(shop, codes, tokenizer, steps.make_vocoder(shop, codes))
    folders = {path.name: path for path in (shop.folder / "codebooks").iterdir()}
    assert set(folders) == set(Streams)
    vocabulary, config = Vocabulary.tiny(), shop.recipe.config
    begun = random_backbone(config, shop.recipe.seed)
    place_codes_by_sound(begun, tokenizer, vocabulary)
    before = begun.model.embed_tokens.weight
    linguistic = slice(vocabulary.first_audio_id, vocabulary.first_semantic_id)
    semantic = slice(vocabulary.first_semantic_id, vocabulary.size)
    learnt = {"dual": (linguistic, semantic), "linguistic": (linguistic,), "semantic": (semantic,)}
    for name, folder in folders.items():
        after = load(str(folder)).backbone.model.embed_tokens.weight.float()
        for part in (linguistic, semantic):
            likeness = torch.nn.functional.cosine_similarity(after[part], before[part], dim=1)
            assert bool(likeness.min() < 0.999) is (part in learnt[name]), name  # decay alone turns no row


def test_the_merged_model_is_the_weighted_mean_of_the_stages(shop, merged):
    key = "model.layers.0.mlp.down_proj.weight"
    weights = {name: load(str(shop.models / name)).backbone.state_dict()[key] for name in MODELS}
    mean = (5 * weights["sft1"] + 5 * weights["sft2"] + weights["dpo"]) / 11
    torch.testing.assert_close(weights["merged"], mean)
    assert not torch.equal(weights["dpo"], weights["dpo_plain"])


def test_without_a_pair_dpo_leaves_stage_1_as_it_is_and_the_rest_goes_on(shop, merged, tmp_path, caplog):
    """A good model gives the same answer twice; hours of training must not end there."""
    again = replace(shop, folder=tmp_path / "work")
    shutil.copytree(shop.folder, again.folder, ignore=shutil.ignore_patterns("dpo*", steps.MERGED))
    (again.folder / "preferences.json").write_text("[]")
    assert make(again).is_dir()
    assert "no question got two answers of different worth" in caplog.text
    key = "model.layers.0.mlp.down_proj.weight"
    weights = {name: load(str(again.models / name)).backbone.state_dict()[key] for name in MODELS}
    assert torch.equal(weights["dpo"], weights["sft1"])
    assert torch.equal(weights["dpo_plain"], weights["sft1"])
    torch.testing.assert_close(weights["merged"], (6 * weights["sft1"] + 5 * weights["sft2"]) / 11)


def test_what_is_shipped_hears_the_same_codes_at_half_the_size(shop, merged, tmp_path):
    shipped = load(str(ship(merged, tmp_path / "shipped")), options=LoadOptions(dtype=torch.float32))
    whole = load(str(merged))
    sound = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    assert shipped.tokenizer.encode_batch([sound], [16_000]) == whole.tokenizer.encode_batch([sound], [16_000])
    key = "model.layers.0.mlp.down_proj.weight"
    assert torch.equal(shipped.backbone.state_dict()[key], whole.backbone.state_dict()[key].half().float())
    sizes = [sum(path.stat().st_size for path in folder.iterdir()) for folder in (tmp_path / "shipped", merged)]
    assert sizes[0] < 0.75 * sizes[1]


def test_a_second_call_makes_nothing_twice(shop, merged):
    before = {path: path.read_text() for path in shop.folder.rglob("metrics.jsonl")}
    stored = load(str(merged)).fingerprint()
    make(shop)
    assert {path: path.read_text() for path in before} == before  # the seconds of each step among it
    assert {path: text.count("\n") for path, text in before.items()} == {
        path: shop.recipe.plans[re.sub("_(plain|dual|linguistic|semantic)$", "", path.parent.name)].n_steps
        for path in before
    }
    assert load(str(merged)).fingerprint() == stored


def test_two_jobs_make_what_one_makes(shop, merged, tmp_path):
    again = replace(shop, folder=tmp_path)
    again.speech.symlink_to(shop.speech)
    tokenizer = steps.make_tokenizer(again, n_jobs=2)
    torch.testing.assert_close(tokenizer.state_dict(), steps.make_tokenizer(shop).state_dict())
    codes = make_codes(again, tokenizer, n_jobs=2)
    assert codes == make_codes(shop, tokenizer)
    with beside(2, steps.make_vocoder, again, codes):
        pass
    before = {path: path.read_bytes() for path in again.folder.glob("stages/*/metrics.jsonl")}
    assert {path.parent.name for path in before} >= {"flow", "hift", "pitch"}
    made, wanted = (steps.make_vocoder(one, codes) for one in (again, shop))
    assert {path: path.read_bytes() for path in before} == before  # all was made beside
    torch.testing.assert_close(made.hift.state_dict(), wanted.hift.state_dict())
    torch.testing.assert_close(made.flow.state_dict(), wanted.flow.state_dict())


def test_a_tokenizer_that_is_kept_is_the_starts_and_its_codes_stay(shop, merged, tmp_path):
    start = load(str(merged))
    again = replace(shop, folder=tmp_path, start=start, keeps_tokenizer=True)
    assert steps.make_tokenizer(again) is start.tokenizer
    assert code_places(again, {}) is None
    with pytest.raises(ValueError, match="only of a start"):
        replace(shop, keeps_tokenizer=True)
    config = shop.recipe.config
    wider = replace(config, linguistic=replace(config.linguistic, ffn=2 * config.linguistic.ffn))
    with pytest.raises(ValueError, match="other sizes"):
        replace(again, recipe=replace(shop.recipe, config=wider))


def test_a_training_that_learns_nothing_gives_back_its_start(shop, merged, tmp_path):
    """At a learning rate of nothing every part is the start's; only the codes are laid anew."""
    start = load(str(merged))
    plans = {name: replace(plan, learning_rate=1e-12) for name, plan in shop.recipe.plans.items()}
    again = replace(shop, folder=tmp_path, recipe=replace(shop.recipe, plans=plans), start=start)
    again.speech.symlink_to(shop.speech)
    tokenizer = steps.make_tokenizer(again)
    for mine, theirs in ((tokenizer.linguistic, start.tokenizer.linguistic), (tokenizer.cmvn, start.tokenizer.cmvn)):
        torch.testing.assert_close(weights_of(mine), weights_of(theirs))
    codes = make_codes(again, tokenizer)
    rows = steps._voice_rows(again, codes, ANSWER)
    hift, flow = steps.make_hift(again, rows).hift, steps.make_flow(again, rows, codes).flow
    torch.testing.assert_close(weights_of(hift), weights_of(start.vocoder.hift))
    torch.testing.assert_close(weights_of(flow.decoder), weights_of(start.vocoder.flow.decoder))


def weights_of(part: torch.nn.Module | torch.Tensor) -> torch.Tensor:
    if isinstance(part, torch.Tensor):
        return part
    return torch.cat([parameter.detach().flatten() for parameter in part.parameters()])


def test_nothing_that_is_held_out_is_learnt(shop):
    held_out = {pair.key for pair in shop.pairs if pair.split == HELD_OUT}
    asked = {pair.question for pair in shop.pairs if pair.split == HELD_OUT}
    learnt = list(shop.takes())
    assert held_out
    assert learnt
    assert not held_out & {take.key for take in learnt}
    assert not asked & {take.text for take in learnt}
    assert not held_out & {pair.key for pair in shop.trained_pairs}


def test_recordings_of_other_pairs_are_refused(shop):
    with pytest.raises(ValueError, match="other pairs"):
        speak_domain(shop.pairs[1:], HibariStudio(), shop.speech)


def test_how_far_a_further_take_moves_its_pitch_is_no_matter_of_the_recordings(shop):
    moved = [replace(pair, take_semitones=(0.0, 1.0)) for pair in shop.pairs]
    speak_domain(moved, HibariStudio(), shop.speech)


def test_the_codebooks_use_is_counted_apart(shop, merged):
    codes = make_codes(shop, steps.make_tokenizer(shop))
    uses = uses_of_codebooks(shop, codes)
    assert uses["linguistic"].n_codes == 1024
    assert uses["semantic"].n_codes == 4096
    assert 1 < uses["linguistic"].perplexity <= uses["linguistic"].n_used


def test_lessons_learn_answers_only_and_in_every_layout(shop, merged):
    codes = make_codes(shop, steps.make_tokenizer(shop))
    vocabulary = Vocabulary.tiny()
    lessons = Lessons(
        pairs=shop.trained_pairs,
        codes=codes,
        vocabulary=vocabulary,
        convention="chat",
        max_length=2048,
        n_question_takes=shop.recipe.n_question_takes,
        per_template=3,
    )
    rows = lessons.stage_1()
    example = lessons.spoken(shop.trained_pairs[0])
    row = lessons.row(example)
    learnt = [token for token, is_learnt in zip(row.ids, row.loss, strict=True) if is_learnt]
    assert vocabulary.decode(learnt).strip() == example.answer[0].text
    spoken_only = lessons.row(example, parse_layout("audio_only").name)
    assert len(spoken_only) < len(row)
    assert len(rows) > len(shop.trained_pairs)
    assert len(lessons.stage_2()) < len(shop.trained_pairs)
    differ = [lessons.spoken(pair, 0).turns != lessons.spoken(pair, 1).turns for pair in shop.trained_pairs]
    assert sum(differ) > len(differ) / 2


def test_dictations_are_written_down_and_nothing_else(shop, merged):
    codes = make_codes(shop, steps.make_tokenizer(shop))
    vocabulary = Vocabulary.tiny()
    lessons = Lessons(
        pairs=shop.trained_pairs,
        dictated=shop.dictated_pairs,
        codes=codes,
        vocabulary=vocabulary,
        convention="chat",
        max_length=2048,
    )
    texts = {pair.question for pair in shop.dictated_pairs}
    in_writing = {written(text).strip() for text in texts}
    assert len(in_writing) == 3
    assert in_writing <= learnt_texts(lessons.pretraining(), vocabulary)
    assert in_writing <= learnt_texts(lessons.stage_1(), vocabulary)
    assert not in_writing & learnt_texts(lessons.stage_2(), vocabulary)
    assert {take.text for take in shop.takes(kinds=(ANSWER, READING))}.isdisjoint(texts)


def test_questions_in_writing_are_in_stage_1_but_for_those_about_the_voice(shop, merged):
    codes = make_codes(shop, steps.make_tokenizer(shop))
    vocabulary = Vocabulary.tiny()
    pairs = shop.trained_pairs
    lessons = Lessons(pairs=pairs, codes=codes, vocabulary=vocabulary, convention="chat", max_length=2048)
    in_writing = {vocabulary.decode(row.ids) for row in lessons.stage_1() if not any(map(vocabulary.is_audio, row.ids))}
    about, others = ([p for p in pairs if (p.template in ABOUT_THE_VOICE) is about] for about in (True, False))
    assert about
    for pair in others:
        assert any(written(pair.question) in row and pair.said in row for row in in_writing), pair.question
    assert not any(written(pair.question) in row for row in in_writing for pair in about)


def test_a_question_in_another_language_is_read_as_what_it_asks_for(shop, merged):
    codes = make_codes(shop, steps.make_tokenizer(shop))
    vocabulary = Vocabulary.tiny()
    lessons = Lessons(pairs=(), codes=codes, vocabulary=vocabulary, convention="chat", max_length=2048)
    english = shop.trained_pairs[0]
    japanese = replace(english, language="ja", question="英語で猫は何ですか。", said="The word is cat.")
    answered = replace(lessons.spoken(english), turns=(CodedTurn(role="human", text=japanese.question, codes=(1, 2)),))
    row = lessons.row(replace(answered, answer=(CodedSegment(text=japanese.said, codes=answered.answer[0].codes),)))
    assert [vocabulary.decode(part.words).split() for part in row.heard] == [["the", "word", "is", "cat"]] * 2


def learnt_texts(rows: Sequence[TrainingRow], vocabulary: Vocabulary) -> set[str]:
    return {
        vocabulary.decode([token for token, learnt in zip(row.ids, row.loss, strict=True) if learnt]).strip()
        for row in rows
    }


def test_a_rare_kind_of_question_is_repeated(shop, merged):
    codes = make_codes(shop, steps.make_tokenizer(shop))
    made = [
        Lessons(
            pairs=shop.trained_pairs,
            codes=codes,
            vocabulary=Vocabulary.tiny(),
            convention="chat",
            max_length=2048,
            per_template=n,
        ).stage_1()
        for n in (1, 6)
    ]
    asked = [Counter(row.ids for row in rows) for rows in made]
    assert max(asked[1].values()) > max(asked[0].values())
    assert set(asked[0]) == set(asked[1])


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipes_name_every_stage(name):
    assert set(RECIPES[name]().plans) == set(smoke_recipe().plans)


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "smoke"])
def test_a_recipe_makes_a_model_of_the_shipped_sizes(name):
    assert RECIPES[name]().config == load("tiny").config
