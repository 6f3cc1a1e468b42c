"""Meetings as labelled traces: what every microphone hears, and who is rightly called the speaker.

Seeded: the same name and seed give the same trace.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from sfu.bench.speaker import sounds, spoken
from sfu.bench.speaker.sounds import Microphone, ticks


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody has the floor. Ticks; ``said`` has one entry for each."""

    who: int
    start: int
    said: Sequence[bool]

    @property
    def end(self) -> int:
        """The tick after the last."""
        return self.start + len(self.said)


@dataclass(frozen=True, slots=True)
class Trace:
    """One meeting. ``levels`` are of each participant as RFC 6464 has them, a byte for every 20 ms."""

    name: str
    levels: Sequence[bytes]
    turns: Sequence[Turn]

    @property
    def length(self) -> int:
        """In ticks."""
        return len(self.levels[0])


class Script:
    """A meeting being written: people take turns, and other sounds happen meanwhile."""

    def __init__(self, name: str, seed: int, people: int, seconds: float) -> None:
        self.name = name
        self.rng = rng = Random(f"{name} {seed}")  # noqa: S311
        self.length = ticks(seconds)
        self.loudness = [rng.uniform(-33, -20) for _ in range(people)]
        self.microphones = [
            Microphone(self.length, Random(rng.random()), rng.uniform(-78, -56), gated=rng.random() < 0.3)  # noqa: S311
            for _ in range(people)
        ]
        self.turns: list[Turn] = []

    @property
    def people(self) -> int:
        return len(self.microphones)

    def speak(self, who: int, start: int, seconds: float) -> int:
        """A turn; the tick after it."""
        levels, said = sounds.utterance(self.rng, seconds, self.loudness[who])
        end = self.microphones[who].add(start, levels)
        self.turns.append(Turn(who, start, said))
        return end

    def say(self, who: int, start: int, sentences: int) -> int:
        """A turn in real speech; the tick after it."""
        said: list[bool] = []
        for _ in range(sentences):
            levels, speaking = spoken.said(self.rng.choice(spoken.SENTENCES), spoken.VOICES[who])
            # The loudest syllable, above what is usual.
            peak = self.loudness[who] + 6
            self.microphones[who].add(start + len(said), [peak + level for level in levels])
            said += [*speaking, *([False] * ticks(self.rng.uniform(0.15, 0.6)))]
        self.turns.append(Turn(who, start, said))
        return start + len(said)

    def mumble(self, who: int, start: int) -> None:
        """ "Mm-hm", which takes no floor."""
        seconds = self.rng.uniform(0.2, 0.55)
        self.microphones[who].add(start, sounds.phrase(self.rng, seconds, self.loudness[who] - self.rng.uniform(3, 10)))

    def sometimes(self, per_minute: float, happen: Callable[[int], object]) -> None:
        """Something that happens so often, at random ticks."""
        at = 0.0
        while (at := at + self.rng.expovariate(per_minute / 60)) < self.length * sounds.TICK_S:
            happen(ticks(at))

    def somebody(self, but: int = -1) -> int:
        return self.rng.choice([who for who in range(self.people) if who != but])

    def trace(self) -> Trace:
        turns = sorted((turn for turn in self.turns if turn.start < self.length), key=lambda turn: turn.start)
        return Trace(self.name, [microphone.levels() for microphone in self.microphones], turns)


def conversation(seed: int, *, minutes: float = 10, people: int = 4, name: str = "conversation") -> Trace:
    """Turns of some six seconds, gaps and small overlaps between them, and "mm-hm" from the others."""
    script = Script(name, seed, people, minutes * 60)
    _talk(script, median_s=5.0, spread=0.75, overlap=0.3)
    script.sometimes(5, lambda at: script.mumble(script.somebody(), at))
    script.sometimes(0.3, lambda at: script.microphones[script.somebody()].add(at, sounds.cough(script.rng)))
    return script.trace()


def debate(seed: int) -> Trace:
    """Short turns, interruptions of up to a second and a half in which both talk, impatient noises."""
    script = Script("debate", seed, 4, 600)
    _talk(script, median_s=3.6, spread=0.6, overlap=0.6, longest_overlap_s=1.5)
    script.sometimes(8, lambda at: script.mumble(script.somebody(), at))
    return script.trace()


def lecture(seed: int) -> Trace:
    """One who talks for minutes, questions now and then, and an audience that coughs, types and slams doors."""
    script = Script("lecture", seed, 20, 900)
    at = ticks(1)
    while at < script.length:
        at = script.speak(0, at, script.rng.uniform(40, 150)) + ticks(script.rng.uniform(0.3, 1.5))
        asking = script.somebody(but=0)
        at = script.speak(asking, at, script.rng.uniform(3, 12)) + ticks(script.rng.uniform(0.2, 1.0))
    script.sometimes(3, lambda at: script.microphones[script.somebody(0)].add(at, sounds.cough(script.rng)))
    script.sometimes(1, lambda at: script.microphones[script.somebody(0)].add(at, sounds.door(script.rng)))
    for who in script.rng.sample(range(1, script.people), 4):
        script.microphones[who].add(0, sounds.typing(script.rng, script.length * sounds.TICK_S))
    return script.trace()


def one_room(seed: int) -> Trace:
    """A conversation in which two sit beside each other, and one listens by loudspeaker: everybody is heard twice."""
    script = Script("one room", seed, 4, 600)
    _talk(script, median_s=5.0, spread=0.7, overlap=0.2)
    first, second, third, fourth = script.microphones
    there, back = script.rng.uniform(6, 14), script.rng.uniform(6, 14)
    own = Microphone(script.length, script.rng, -127)
    own.hear(first, delay=0, loss_db=0)
    first.hear(second, delay=0, loss_db=there)
    second.hear(own, delay=0, loss_db=back)
    fourth.hear(third, delay=ticks(script.rng.uniform(0.1, 0.3)), loss_db=script.rng.uniform(10, 20))
    return script.trace()


def music(seed: int) -> Trace:
    """A conversation while somebody who says nothing has music on."""
    script = Script("music", seed, 4, 600)
    script.microphones.append(Microphone(script.length, Random(seed), -60))  # noqa: S311
    player = script.people - 1
    script.microphones[player].add(ticks(20), sounds.music(script.rng, 600))
    _talk(script, median_s=5.0, spread=0.75, overlap=0.3, people=4)
    return script.trace()


def long(seed: int) -> Trace:
    """Three hours of six people."""
    return conversation(seed, minutes=180, people=6, name="three hours")


def real_speech(seed: int) -> Trace:
    """espeak-ng's voices through an Opus encoder take turns of one to four sentences; "I see" from the others."""
    script = Script("real speech", seed, len(spoken.VOICES), 600)
    rng, at, who = script.rng, ticks(1), -1
    while at < script.length:
        who = script.somebody(but=who)
        end = script.say(who, at, rng.choice((1, 1, 2, 2, 3, 4)))
        at = end + ticks(rng.uniform(-0.4, 0.3) if rng.random() < 0.3 else rng.uniform(0.0, 0.8))

    def agree(at: int) -> None:
        agreeing = script.somebody()
        levels, _ = spoken.said(rng.choice(("Yes.", "I see.", "Right.", "OK.")), spoken.VOICES[agreeing])
        peak = script.loudness[agreeing] + 6 - rng.uniform(3, 10)
        script.microphones[agreeing].add(at, [peak + level for level in levels])

    script.sometimes(2, agree)
    script.sometimes(0.5, lambda at: script.microphones[script.somebody()].add(at, sounds.cough(rng)))
    return script.trace()


def _talk(
    script: Script,
    *,
    median_s: float,
    spread: float,
    overlap: float,
    longest_overlap_s: float = 0.6,
    people: int | None = None,
) -> None:
    """Turn after turn until the end. ``overlap``: how many of the turns begin before the one before ended."""
    rng, at, who = script.rng, ticks(1), -1
    while at < script.length:
        who = rng.choice([other for other in range(people or script.people) if other != who])
        seconds = min(60.0, max(1.2, rng.lognormvariate(math.log(median_s), spread)))
        end = script.speak(who, at, seconds)
        if rng.random() < overlap:
            at = end - ticks(rng.uniform(0.1, min(longest_overlap_s, seconds / 2)))
        elif rng.random() < 0.05:
            at = end + ticks(rng.uniform(2, 8))
        else:
            at = end + ticks(min(2.0, rng.lognormvariate(math.log(0.25), 0.7)))


SPOKEN = "real speech"

TRACES: dict[str, Callable[[int], Trace]] = {
    "conversation": conversation,
    "debate": debate,
    "lecture": lecture,
    "one room": one_room,
    "music": music,
    "three hours": long,
    SPOKEN: real_speech,
}
