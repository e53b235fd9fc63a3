"""Many runs in one ranking: who is better, how sure that is, and who cannot be ranked and why.

A pure function of the runs: their order, names of folders and the time do not matter. Ranked are runs of one measuring
chain with the same suites and nearly all conversations; the ranking stands on the conversations that all of them have.
The others are listed apart, each with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.core.chain import chain_differences, chain_of
from aqaa_eval.core.digest import records_sha256
from aqaa_eval.core.errors import UnknownName, UsageError
from aqaa_eval.core.runlog import RunLog
from aqaa_eval.metrics.pairing import scores_of
from aqaa_eval.metrics.ranking import Rank, Scores, bradley_terry, rank_models, shared_conversations, wins_matrix
from aqaa_eval.reports.labels import plural
from aqaa_eval.reports.latency import Latency, latency_of
from aqaa_eval.reports.macro import macro_estimate
from aqaa_eval.reports.published import PUBLISHED, Published
from aqaa_eval.reports.summary import count_failures

OVERALL = "overall"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSettings:
    """What is ranked, and who may take part.

    Attributes:
        metric: what is ranked by; higher is better.
        seed: of the resampling.
        min_coverage: share of the board's conversations that a run needs a score for.
        suites: that count; empty for all that the runs have.
    """

    metric: str = "mos"
    seed: int = 0
    min_coverage: float = 0.95
    suites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One run that was handed in.

    Attributes:
        log: the run.
        name: what the board calls it; "" for its model's name.
        report: link to its report; "" if there is none.
    """

    log: RunLog
    name: str = ""
    report: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A model's place in one ranking; `estimate` is its mean on the shared conversations."""

    name: str
    rank: int
    low: int
    high: int
    group: str
    estimate: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """One suite, or all of them.

    Attributes:
        suite: id; "overall" for the mean over suites.
        title: what people call it.
        n_shared: conversations that every ranked run has a score for.
        standings: best first; empty if no conversation is shared.
    """

    suite: str
    title: str
    n_shared: int
    standings: tuple[Standing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run with what stands beside its rank.

    Attributes:
        name: on the board, unlike all others.
        model: identity of what was measured.
        records_sha256: of all that the run recorded.
        report: link; "" if there is none.
        n_scored: conversations of the board with a score.
        n_board: conversations of the board.
        n_turns: questions asked.
        n_failures: of all kinds.
        latency: of the answers.
        machine_s_per_turn: mean seconds from the end of a question to the end of its answer, which is what an answer
            costs; None if no answer was timed.
        speech_s_per_turn: mean length of an answer; None if nothing was said.
        reason: why it is not ranked; "" if it is.
    """

    name: str
    model: str
    records_sha256: str
    report: str
    n_scored: int
    n_board: int
    n_turns: int
    n_failures: int
    latency: Latency
    machine_s_per_turn: float | None
    speech_s_per_turn: float | None
    reason: str = ""

    @property
    def coverage(self) -> float:
        """Share of the board's conversations with a score."""
        return self.n_scored / self.n_board if self.n_board else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """How often one run beat another on the conversations that both have; see `metrics.ranking.Wins`."""

    first: str
    second: str
    share: float
    n: int
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A leaderboard.

    Attributes:
        settings: by which it was made.
        chain: of the ranked runs, with the data's hash by suite.
        runs: the ranked ones, best first.
        apart: those that cannot be ranked beside them, by name.
        rankings: overall first, then by suite.
        duels: every ordered pair of ranked runs that shares a conversation.
        strengths: Bradley-Terry logits by name.
        published: rows that others published.
    """

    settings: BoardSettings
    chain: Mapping[str, str]
    runs: tuple[RunRow, ...]
    apart: tuple[RunRow, ...]
    rankings: tuple[Ranking, ...]
    duels: tuple[Duel, ...]
    strengths: Mapping[str, float]
    published: tuple[Published, ...] = field(default=PUBLISHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """An entry with its name on the board, its hash and its scores (mean per conversation, by suite)."""

    entry: Entry
    name: str
    digest: str
    scores: Mapping[str, Mapping[str, float]]

    @property
    def log(self) -> RunLog:
        return self.entry.log


def build_board(entries: Sequence[Entry], settings: BoardSettings | None = None) -> Board:
    """Rank runs.

    Args:
        entries: one or more runs, in any order.
        settings: what is ranked, and who may take part.

    Raises:
        UsageError: no run, two runs of one given name, or a share that is none.
        UnknownName: a suite that no run has.
    """
    settings = settings or BoardSettings()
    candidates = _candidates(entries, settings)
    chosen = _same_chain(candidates)
    suites = _suites(chosen, settings)
    board_keys = {(suite, key) for one in chosen for suite in suites for key in _asked(one.log, suite)}
    reasons = {one.digest: _reason(one, chosen, suites, board_keys, settings) for one in candidates}
    ranked = [one for one in candidates if not reasons[one.digest]]
    scores = {one.name: {suite: one.scores[suite] for suite in suites} for one in ranked}
    cards = {suite: card for one in reversed(chosen) for suite, card in one.log.cards.items()}
    titles = {suite: cards[suite].title for suite in suites}
    rankings = _rankings(scores, titles, settings.seed)
    order = {standing.name: place for place, standing in enumerate(rankings[0].standings)} if rankings else {}
    rows = {one.name: _row(one, board_keys, reasons[one.digest]) for one in candidates}
    wins = wins_matrix(scores, seed=settings.seed) if len(scores) > 1 else {}
    return Board(
        settings=settings,
        chain=_chain(chosen[0].log, chosen, suites),
        runs=tuple(sorted((rows[one.name] for one in ranked), key=lambda row: (order.get(row.name, 0), row.name))),
        apart=tuple(rows[one.name] for one in candidates if reasons[one.digest]),
        rankings=tuple(rankings),
        duels=tuple(Duel(first=a, second=b, share=won.share, n=won.n, p=won.p) for (a, b), won in sorted(wins.items())),
        strengths=bradley_terry(wins) if wins else {},
    )


def _candidates(entries: Sequence[Entry], settings: BoardSettings) -> list[_Candidate]:
    """Each run once, by name; runs of one model are told apart by their hash."""
    if not entries:
        raise UsageError("no run given: a leaderboard needs one or more run folders")
    if not 0 < settings.min_coverage <= 1:
        raise UsageError(f"a coverage of {settings.min_coverage:g} is no share: give one above 0, up to 1")
    by_digest = {records_sha256(entry.log): entry for entry in reversed(entries)}
    labels = {digest: entry.name or entry.log.spec.label for digest, entry in by_digest.items()}
    counts = Counter(labels.values())
    taken = sorted(labels[digest] for digest, entry in by_digest.items() if entry.name and counts[entry.name] > 1)
    if taken:
        raise UsageError(f"{taken[0]!r} names two runs: give each NAME=RUN its own name")
    names = {digest: label if counts[label] == 1 else f"{label} ({digest[:8]})" for digest, label in labels.items()}
    found = [
        _Candidate(entry=entry, name=names[digest], digest=digest, scores=_means(entry.log, settings.metric))
        for digest, entry in by_digest.items()
    ]
    return sorted(found, key=lambda one: (one.name, one.digest))


def _means(log: RunLog, metric: str) -> dict[str, dict[str, float]]:
    return {
        suite: {key: fmean(values) for key, values in scores.values.items() if values}
        for suite, scores in scores_of(log, metric=metric).items()
    }


def _same_chain(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """The runs that were measured as most are; of two camps of one size, that of the first name."""
    camps = [[two for two in candidates if not chain_differences([one.log, two.log])] for one in candidates]
    return max(camps, key=len)


def _suites(chosen: Sequence[_Candidate], settings: BoardSettings) -> list[str]:
    held = list(dict.fromkeys(suite for one in chosen for suite in one.log.cards))
    unknown = [suite for suite in settings.suites if suite not in held]
    if unknown:
        raise UnknownName("suite", unknown[0], held)
    return [suite for suite in held if not settings.suites or suite in settings.suites]


def _asked(log: RunLog, suite: str) -> set[str]:
    return {attempt.sample for attempt in log.attempts if attempt.suite == suite}


def _reason(
    one: _Candidate,
    chosen: Sequence[_Candidate],
    suites: Sequence[str],
    board_keys: set[tuple[str, str]],
    settings: BoardSettings,
) -> str:
    """Why a run cannot be ranked; "" if it can."""
    if one not in chosen:
        differences = "; ".join(map(str, chain_differences([chosen[0].log, one.log])))
        return f"measured otherwise than the ranked runs: {differences or 'the data of the suites differ'}"
    lacking = [suite for suite in suites if not one.scores.get(suite)]
    if lacking:
        return f"no {settings.metric} in {plural(len(lacking), 'suite')}: {', '.join(lacking)}"
    if len(one.log.attempts) < one.log.n_planned:
        return f"incomplete: {len(one.log.attempts):,} of {one.log.n_planned:,} planned conversations were begun"
    n_scored = _n_scored(one, board_keys)
    if n_scored < settings.min_coverage * len(board_keys):
        told = f"{n_scored:,} of {len(board_keys):,} conversations have a score ({n_scored / len(board_keys):.1%})"
        return f"{told}; {settings.min_coverage:.0%} needed"
    return ""


def _n_scored(one: _Candidate, board_keys: set[tuple[str, str]]) -> int:
    return sum(key in one.scores.get(suite, {}) for suite, key in board_keys)


def _rankings(scores: Scores, titles: Mapping[str, str], seed: int) -> list[Ranking]:
    if not scores:
        return []
    shared = shared_conversations(scores)
    rankings = [_ranking(OVERALL, "Overall", scores, shared, seed)]
    for suite, title in titles.items():
        alone = {name: {suite: of[suite]} for name, of in scores.items()}
        rankings.append(_ranking(suite, title, alone, {suite: shared[suite]}, seed))
    return rankings


def _ranking(suite: str, title: str, scores: Scores, shared: Mapping[str, Sequence[str]], seed: int) -> Ranking:
    n_shared = sum(map(len, shared.values()))
    ranks = rank_models(scores, seed=seed) if n_shared else []
    standings = tuple(_standing(rank, scores[rank.model], shared, seed) for rank in ranks)
    return Ranking(suite=suite, title=title, n_shared=n_shared, standings=standings)


def _standing(
    rank: Rank, scores: Mapping[str, Mapping[str, float]], shared: Mapping[str, Sequence[str]], seed: int
) -> Standing:
    pairs = {
        suite: {f"{suite}/{key}": [(scores[suite][key], 1.0)] for key in keys} for suite, keys in shared.items() if keys
    }
    estimate = macro_estimate(pairs, seed=seed)
    return Standing(name=rank.model, rank=rank.rank, low=rank.low, high=rank.high, group=rank.group, estimate=estimate)


def _row(one: _Candidate, board_keys: set[tuple[str, str]], reason: str) -> RunRow:
    turns = [turn for attempt in one.log.attempts for turn in attempt.turns]
    times = [turn.timing.total_s for turn in turns if turn.timing is not None]
    lengths = [turn.duration_s for turn in turns if turn.duration_s]
    return RunRow(
        name=one.name,
        model=one.log.manifest.model,
        records_sha256=one.digest,
        report=one.entry.report,
        n_scored=_n_scored(one, board_keys),
        n_board=len(board_keys),
        n_turns=len(turns),
        n_failures=sum(count_failures(one.log.attempts).values()),
        latency=latency_of(one.log.attempts),
        machine_s_per_turn=fmean(times) if times else None,
        speech_s_per_turn=fmean(lengths) if lengths else None,
        reason=reason,
    )


def _chain(log: RunLog, chosen: Sequence[_Candidate], suites: Sequence[str]) -> dict[str, str]:
    parts = {part: value or "none" for part, value in chain_of(log).items()}
    data = {suite: digest for one in reversed(chosen) for suite, digest in one.log.manifest.suites.items()}
    return parts | {f"data of {suite}": data[suite] for suite in suites if suite in data}
