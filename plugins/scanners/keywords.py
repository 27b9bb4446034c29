"""Keywords: every place where a term of a list stands, in the encodings it could be written in."""

import hashlib
import heapq
import itertools
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from forensic_kit.api import At, Content, Misuse, Option, Plan, PlanItem, Problem, Record, Scanner, TimedOut, note
from forensic_kit.formats.atoms import Atom
from forensic_kit.formats.matching import (
    Sightings,
    Trail,
    Window,
    context,
    matches_from,
    matches_in,
    merged,
    runs_in,
)
from forensic_kit.formats.patterns import Pattern, patterns_of, unicode_version
from forensic_kit.formats.terms import BYTES, Term, read_list
from forensic_kit.formats.widen import escaped

#: Bytes given to the automaton at once; hyperscan takes at most 4 GiB.
_PIECE = 1 << 30
#: Bytes behind a piece that it is given too: a match that starts in the piece has to end in them.
_OVERLAP = 1 << 20
#: Proposals between two looks at the clock.
_CALLS = 4096
#: Bytes in which `re` alone looks for a start where nothing narrows the search.
_ALONE = 64 << 20
#: A match of such a term is certain to be found up to this length, as across windows.
_ALONE_REACH = 64 * 1024
_MAX_CONTEXT = 1024
_MAX_MATCHED = 256


class KeywordHit(Record, tag="keyword.hit"):
    """One place where a term stands."""

    list: str  #: file name of the list
    term_id: str
    term: str  #: as the list writes it
    kind: str
    encoding: str  #: ``bytes`` for hex terms
    length: int  #: bytes
    matched: str  #: the bytes found, hex, at most the first 256
    context: str  #: the bytes around, decoded; what does not decode is U+FFFD, control characters are ``\\xNN``


class Keywords(Scanner, api=1):
    """Searches keyword lists: text, whole words, regular expressions and bytes."""

    name, version = "keywords", "1.0"
    stage = "terms"
    source = "Unicode CaseFolding.txt (simple folding); Python re; https://intel.github.io/hyperscan/dev-reference/"
    limits = (
        "Text is found in UTF-8 and UTF-16LE; a TOML list can name more encodings. Composed and decomposed accents "
        "are different bytes and different terms.",
        "A term inside compressed or encoded bytes is found only where an unpacker decodes them.",
        "Regular expressions match bytes (in UTF-16LE: 16-bit units), from left to right without overlap; a match "
        "longer than 64 KiB can be cut short or missed where contents are seen in windows, or where nothing in the "
        "expression narrows the search.",
        "The time limit is looked at between matches and every 1 GiB: one expression that backtracks "
        "without end is stopped by the limit of the entry instead.",
    )
    options = (
        Option("lists", str, (), "keyword list: text, CSV or TOML; may be given several times"),
        Option("context", int, 40, "bytes shown before and behind a hit"),
        Option("hits", int, 1000, "hits kept of one term in one content; all are counted"),
        Option("timeout", int, 300, "longest time for one content, seconds"),
    )

    def plan(self, options: Mapping[str, Any], cache: Path) -> Iterable[Plan]:
        given = options.get("lists") or ()
        settings = {
            "context": _number(options, "context", 40, 0, _MAX_CONTEXT),
            "hits": _number(options, "hits", 1000, 1, 1_000_000),
        }
        timeout = _number(options, "timeout", 300, 1, 86_400)
        for path in [given] if isinstance(given, str | Path) else given:
            yield self._plan(Path(path), settings, timeout, cache)

    def _plan(self, path: Path, settings: dict[str, int], timeout: int, cache: Path) -> Plan:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Misuse(f"{path}: the keyword list cannot be read: {error.strerror}. Check the path.") from error
        terms = read_list(data, path.name)
        search = _Search(terms)
        identity = [self.name, self.version, unicode_version(), path.name, settings, timeout, terms]
        digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        compiled = search.compile(cache, digest)
        return Plan(
            plugin=self.name,
            stage=self.stage,
            name=path.name,
            digest=digest,
            items=tuple(PlanItem(term.id, term.text, term.kind, term.source) for term in terms),
            problems=tuple(note(text, error="term") for text in search.remarks),
            compiled=str(compiled),
            timeout=timeout,
            engine={
                "hyperscan": _hyperscan_version(),
                "unicode": unicode_version(),
                "case": "any, by simple case folding; in regular expressions ASCII letters as ASCII",
                "encodings": ", ".join(dict.fromkeys(encoding for term in terms for encoding in term.encodings)),
            },
            files={path.name: hashlib.sha256(data).hexdigest()},
            settings={**settings, "terms": [term._asdict() for term in terms]},
        )

    def prepare(self, plan: Plan) -> None:
        terms = tuple(Term(**{**row, "encodings": tuple(row["encodings"])}) for row in plan.settings["terms"])
        self._plan_loaded = plan
        self._search = _Search(terms)
        self._search.load(Path(plan.compiled))
        self._trail = Trail("", 0)

    def scan(self, content: Content) -> Iterator[Record | At | Problem]:
        key = str(content.entry.locator)
        if content.base == 0 or (key, content.base) != (self._trail.key, self._trail.end):
            self._trail = Trail(key, content.base)
        trail = self._trail
        limit = self._plan_loaded.settings["hits"]
        deadline = time.monotonic() + self._plan_loaded.timeout
        with memoryview(content.data) as data:
            window = Window(data, content.base, content.margin, trail.tail, None if content.whole else content.size)
            cut: list[Problem] = []
            for hit in self._search.hits(window, trail, limit, deadline, cut):
                yield At(window.base + hit.start, self._record(window, hit))
            yield from cut
            trail.follow(window)
            window.release()
        if content.whole or trail.end >= content.size:
            yield from self._capped(trail, limit)

    def _capped(self, trail: Trail, limit: int) -> Iterator[Problem]:
        for index, count in sorted(trail.counts.items()):
            if count > limit:
                term = self._search.terms[index]
                yield note(
                    f"{self._plan_loaded.name}: {term.id} {term.text!r}: {count} hits, of which the first {limit} "
                    "found are kept. Raise keywords.hits to keep more.",
                    error="capped",
                )

    def _record(self, window: Window, hit: "_Hit") -> KeywordHit:
        found = self._search.found[hit.pattern]
        term = self._search.terms[found.term]
        shown = min(hit.end, hit.start + _MAX_MATCHED)
        # Bytes named in hex are shown with what ASCII there is around them.
        encoding = "ascii" if found.pattern.encoding == BYTES else found.pattern.encoding
        return KeywordHit(
            list=self._plan_loaded.name,
            term_id=term.id,
            term=term.text,
            kind=term.kind,
            encoding=found.pattern.encoding,
            length=hit.end - hit.start,
            matched=bytes(window.buffer[hit.start : shown]).hex(),
            context=context(window.buffer, hit.start, shown, encoding, self._plan_loaded.settings["context"]),
        )


def _number(options: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = int(options.get(name, default))
    if not low <= value <= high:
        raise Misuse(f"keywords.{name} is {value}; it can be {low} to {high}.")
    return value


def _hyperscan_version() -> str:
    import hyperscan

    return str(hyperscan.__version__)


# --- the search -----------------------------------------------------------------------------------------------


class _Hit:
    __slots__ = ("end", "pattern", "start")

    def __init__(self, start: int, end: int, pattern: int) -> None:
        self.start, self.end, self.pattern = start, end, pattern


@dataclass
class _Found:
    """One pattern of one term."""

    term: int
    pattern: Pattern

    @cached_property
    def decide(self) -> re.Pattern[bytes]:
        return re.compile(self.pattern.decide, self.pattern.flags)


class _Search:
    """All patterns of a list: hyperscan shows where plain rows of bytes stand, `re` decides what is a match."""

    def __init__(self, terms: tuple[Term, ...]) -> None:
        self.terms = terms
        self.found: list[_Found] = []
        #: What the automaton looks for: index of the pattern, and one of its atoms.
        self.atoms: list[tuple[int, Atom]] = []
        #: What the examiner should know, each with file and line.
        self.remarks: list[str] = []
        #: Patterns of each term before each pattern: what is found in them is not found again.
        self.earlier: list[range] = []
        for index, term in enumerate(terms):
            patterns, left_out = patterns_of(term)
            first = len(self.found)
            for pattern in patterns:
                self.earlier.append(range(first, len(self.found)))
                self.atoms += [(len(self.found), atom) for atom in pattern.atoms]
                self.found.append(_Found(index, pattern))
            if left_out:
                self.remarks.append(f"{term.source}: {term.text!r}: {left_out}")
            if not all(pattern.atoms or pattern.runs for pattern in patterns):
                self.remarks.append(f"{term.source}: {term.text!r}: nothing in it narrows the search, so it is slow")
        self._automaton: Any = None

    # --- the automaton ----------------------------------------------------------------------------------------

    def compile(self, cache: Path, digest: str) -> Path:
        """The automaton's file in ``cache``, made if it is not there."""
        import hyperscan

        path = cache / f"keywords-{digest}-{hyperscan.__version__}.hs"
        if not path.is_file():
            automaton = self._build()
            cache.mkdir(parents=True, exist_ok=True)
            part = path.with_name(path.name + ".part")
            part.write_bytes(hyperscan.dumpb(automaton) if automaton else b"")
            part.replace(path)  # whole or not at all: a killed run leaves no half file
        return path

    def load(self, path: Path) -> None:
        """Take the automaton from its file, or make it again where this machine's hyperscan cannot use the file."""
        import hyperscan

        if not self.atoms:
            return
        try:
            self._automaton = hyperscan.loadb(path.read_bytes(), hyperscan.HS_MODE_BLOCK)
            # Asks hyperscan whether the file fits this processor, and gives the scan its memory.
            self._automaton.scratch = hyperscan.Scratch(self._automaton)
        except (OSError, hyperscan.HyperscanError):
            self._automaton = self._build()

    def _build(self) -> Any:
        """The automaton of all atoms; None if there are none.

        Plain rows of bytes only, in block mode only: of classes, repeats, starts of matches and streams, hyperscan
        0.9.1 (vectorscan 5.4.12) loses matches, see docs/decisions/0006. Never HS_FLAG_UTF8: evidence is not UTF-8.
        """
        import hyperscan

        if not self.atoms:
            return None
        automaton = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        try:
            automaton.compile(
                expressions=["".join(map(escaped, atom.row)).encode() for _, atom in self.atoms],
                ids=list(range(len(self.atoms))),
                elements=len(self.atoms),
                flags=[hyperscan.HS_FLAG_CASELESS if atom.any_case else 0 for _, atom in self.atoms],
            )
            automaton.scratch = hyperscan.Scratch(automaton)
        except hyperscan.HyperscanError as error:
            raise Misuse(f"hyperscan cannot hold all terms of this list: {error}. Split the list.") from error
        return automaton

    # --- one window -------------------------------------------------------------------------------------------

    def hits(self, window: Window, trail: Trail, limit: int, deadline: float, cut: list[Problem]) -> Iterator[_Hit]:
        """Hits of the window that are to be kept; all are counted in ``trail``.

        Args: cut: takes a note of each match that may go on behind the window.
        """
        seen: dict[int, Sightings] = {}
        pending: list[_Hit] = []
        last: dict[int, int] = {}
        origin = 0  # of the piece, in the window
        stop = 0  # behind the last start that counts in this piece
        calls = 0

        def on_match(number: int, _start: int, end: int, _flags: int, _context: object) -> bool:
            nonlocal calls
            calls += 1
            index, atom = self.atoms[number]
            if last.get(number) != end:  # the same end can be told twice
                last[number] = end
                place = origin + end - len(atom.row)
                if self.found[index].pattern.is_literal:
                    self._literal(window.buffer, index, atom, place, range(origin, stop), trail, limit, pending)
                elif not atom.least or (place and window.buffer[place - 1] in atom.before):
                    seen.setdefault(number, Sightings()).add(place)
            return calls % _CALLS == 0 and time.monotonic() > deadline  # true halts the scan

        for origin in range(window.shift, window.border if self._automaton else 0, _PIECE):
            last.clear()
            stop = min(origin + _PIECE, window.border)
            self._feed(window.buffer[origin : origin + _PIECE + _OVERLAP], on_match)
            pending.sort(key=lambda hit: (hit.start, hit.pattern))
            yield from pending
            pending.clear()
            _check(deadline)
        yield from self._regexes(window, trail, seen, limit, deadline, cut)

    def _feed(self, piece: memoryview, on_match: Any) -> None:
        import hyperscan

        try:
            self._automaton.scan(piece, match_event_handler=on_match)
        except hyperscan.ScanTerminated:
            return  # out of time, as the caller is about to find

    def _literal(
        self,
        buffer: memoryview,
        index: int,
        atom: Atom,
        place: int,
        counted: range,
        trail: Trail,
        limit: int,
        pending: list[_Hit],
    ) -> None:
        """Take the hit of a literal whose atom stands at ``place``, if there is one that starts in ``counted``."""
        one = self.found[index]
        for start in range(place - (atom.most or 0), place - atom.least + 1):
            if start not in counted:
                continue
            match = one.decide.match(buffer, start)
            # The group says whether it is this atom's match and not that of one near it.
            if match is None or match.start(1) != place or self._is_earlier(index, buffer, start):
                continue
            trail.counts[one.term] = count = trail.counts.get(one.term, 0) + 1
            if count <= limit:
                pending.append(_Hit(start, match.end(), index))

    def _is_earlier(self, index: int, buffer: memoryview, place: int) -> bool:
        """Does the term stand here in an encoding that comes first?"""
        return any(self.found[other].decide.match(buffer, place) for other in self.earlier[index])

    def _regexes(
        self, window: Window, trail: Trail, seen: dict[int, Sightings], limit: int, deadline: float, cut: list[Problem]
    ) -> Iterator[_Hit]:
        by_pattern: dict[int, list[tuple[Atom, Sightings]]] = {}
        for number, sightings in seen.items():
            index, atom = self.atoms[number]
            by_pattern.setdefault(index, []).append((atom, sightings))
        by_term: dict[int, list[int]] = {}
        for index, one in enumerate(self.found):
            if index in by_pattern or not one.pattern.atoms:
                by_term.setdefault(one.term, []).append(index)
        for term, indexes in by_term.items():
            streams = [self._matches(index, by_pattern.get(index), window, trail, deadline, cut) for index in indexes]
            before = -1
            for hit in heapq.merge(*streams, key=lambda hit: (hit.start, hit.pattern)):
                if hit.start == before:
                    continue  # the same place in a second encoding
                before = hit.start
                trail.counts[term] = count = trail.counts.get(term, 0) + 1
                if count <= limit:
                    yield hit

    def _matches(
        self,
        index: int,
        seen: list[tuple[Atom, Sightings]] | None,
        window: Window,
        trail: Trail,
        deadline: float,
        cut: list[Problem],
    ) -> Iterator[_Hit]:
        """What `re.finditer` gives from where the window before left off, for starts before the border."""
        one = self.found[index]
        position = max(window.shift, trail.resume.get(index, 0) - window.base)
        for start, end in _spans(one, seen, window.buffer, position, lambda: _check(deadline)):
            if start >= window.border:
                return
            trail.resume[index] = window.base + end
            if end == len(window.buffer) and window.is_cut:
                term = self.terms[one.term]
                text = f"{term.source}: {term.text!r} matches to the end of what is seen at once and may be longer."
                cut.append(note(text, error="cut", offset=window.base + start))
            yield _Hit(start, end, index)


def _spans(
    one: _Found,
    seen: list[tuple[Atom, Sightings]] | None,
    buffer: memoryview,
    position: int,
    check: Callable[[], None],
) -> Iterator[tuple[int, int]]:
    """The matches of a regex, by the narrowest way there is: near its atoms, in its runs, or anywhere."""
    if seen:
        starts = [sightings.starts(buffer, atom) for atom, sightings in seen]
        known = [ranges for ranges in starts if ranges is not None]
        if len(known) == len(starts):
            return matches_from(one.decide, buffer, merged(itertools.chain.from_iterable(known)), position, check)
    elif one.pattern.runs:
        return matches_in(one.decide, buffer, runs_in(buffer, one.pattern.runs), position, one.pattern.reach, check)
    everywhere = ((at, min(at + _ALONE, len(buffer))) for at in range(0, len(buffer), _ALONE))
    return matches_in(one.decide, buffer, everywhere, position, _ALONE_REACH, check)


def _check(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TimedOut("the search for keywords took longer than its limit. Raise keywords.timeout or look by hand.")
