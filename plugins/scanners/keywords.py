"""Keywords: every place where a term of a list stands, in the encodings it could be written in."""

import hashlib
import heapq
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from forensic_kit.api import At, Content, Misuse, Option, Plan, PlanItem, Problem, Record, Scanner, TimedOut, note
from forensic_kit.formats.matching import Ends, Trail, Window, context, matches_in
from forensic_kit.formats.patterns import Pattern, patterns_of, unicode_version
from forensic_kit.formats.terms import BYTES, Term, read_list

#: Bytes given to the automaton at once; hyperscan takes at most 4 GiB.
_PIECE = 1 << 30
#: Bytes behind a piece that it is given too: a match that starts in the piece has to end in them.
_OVERLAP = 1 << 20
#: Proposals between two looks at the clock.
_CALLS = 4096
#: Bytes in which `re` alone looks for a start when the automaton cannot take a term.
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
        "longer than 64 KiB can be cut short or missed where contents are seen in windows or where hyperscan refuses "
        "the expression.",
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
        compiled, refused = search.compile(cache, digest)
        problems = [note(text, error="encoding") for text in search.left_out]
        problems += [note(f"{text}: hyperscan refuses it, so re looks for it alone (slow)") for text in refused]
        return Plan(
            plugin=self.name,
            stage=self.stage,
            name=path.name,
            digest=digest,
            items=tuple(PlanItem(term.id, term.text, term.kind, term.source) for term in terms),
            problems=tuple(problems),
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
    """All patterns of a list: hyperscan proposes places in one pass, `re` decides."""

    def __init__(self, terms: tuple[Term, ...]) -> None:
        self.terms = terms
        self.found: list[_Found] = []
        self.left_out: list[str] = []
        #: Patterns of each term before each pattern: what is found in them is not found again.
        self.earlier: list[range] = []
        for index, term in enumerate(terms):
            patterns, left_out = patterns_of(term)
            first = len(self.found)
            for pattern in patterns:
                self.earlier.append(range(first, len(self.found)))
                self.found.append(_Found(index, pattern))
            if left_out:
                self.left_out.append(f"{term.source}: {term.text!r}: {left_out}")
        self._database: Any = None
        self._alone: set[int] = set()

    # --- the automaton ----------------------------------------------------------------------------------------

    def compile(self, cache: Path, digest: str) -> tuple[Path, list[str]]:
        """The automaton's file in ``cache``, made if it is not there, and the terms it refuses, with their place."""
        import hyperscan

        path = cache / f"keywords-{digest}-{hyperscan.__version__}.hs"
        refused_path = path.with_suffix(".refused.json")
        if path.is_file() and refused_path.is_file():
            refused = json.loads(refused_path.read_text(encoding="utf-8"))
        else:
            database, refused = self._build()
            cache.mkdir(parents=True, exist_ok=True)
            _write(refused_path, json.dumps(refused).encode())
            _write(path, hyperscan.dumpb(database) if database is not None else b"")
        texts = dict.fromkeys(
            f"{self.terms[self.found[index].term].source}: {self.terms[self.found[index].term].text!r}"
            for index in refused
        )
        return path, list(texts)

    def load(self, path: Path) -> None:
        """Take the automaton from its file, or make it again where this machine's hyperscan cannot use the file."""
        import hyperscan

        refused_path = path.with_suffix(".refused.json")
        try:
            stored = path.read_bytes()
            refused = json.loads(refused_path.read_text(encoding="utf-8"))
            database = hyperscan.loadb(stored, hyperscan.HS_MODE_BLOCK) if stored else None
            if database is not None:
                # Asks hyperscan whether the file fits this processor, and gives the scan its memory.
                database.scratch = hyperscan.Scratch(database)
        except (OSError, ValueError, hyperscan.HyperscanError):
            database, refused = self._build()
        self._database = database
        self._alone = set(refused)

    def _build(self) -> tuple[Any, list[int]]:
        """The automaton and the patterns that are not in it."""
        import hyperscan

        refused = []
        taken = []
        for index, found in enumerate(self.found):
            # Literals always fit; a regex is tried by itself, so that one that does not fit is known by name.
            if found.pattern.lengths or (found.pattern.propose and _compiles([index], self.found)):
                taken.append(index)
            else:
                refused.append(index)
        if taken and _compiles(taken, self.found) is None:
            regexes = [index for index in taken if not self.found[index].pattern.lengths]
            refused = sorted(refused + regexes)
            taken = [index for index in taken if self.found[index].pattern.lengths]
        database = _compiles(taken, self.found) if taken else None
        if taken and database is None:
            raise Misuse("hyperscan cannot hold all terms of this list. Split the list.")
        if database is not None:
            database.scratch = hyperscan.Scratch(database)
        return database, refused

    # --- one window -------------------------------------------------------------------------------------------

    def hits(self, window: Window, trail: Trail, limit: int, deadline: float, cut: list[Problem]) -> Iterator[_Hit]:
        """Hits of the window that are to be kept; all are counted in ``trail``.

        Args: cut: takes a note of each match that may go on behind the window.
        """
        pending: list[_Hit] = []
        ends: dict[int, Ends] = {}
        last: dict[int, int] = {}
        counts = trail.counts
        buffer, found = window.buffer, self.found

        origin = 0  # of the piece, in ``buffer``
        stop = 0  # behind the last start that counts in this piece
        calls = 0

        def on_match(index: int, _start: int, end: int, _flags: int, _context: object) -> bool:
            nonlocal calls
            calls += 1
            end += origin
            one = found[index]
            if not one.pattern.lengths:
                ends.setdefault(index, Ends()).add(end)
            elif last.get(index) != end:
                last[index] = end
                for length in one.pattern.lengths:
                    place = end - length
                    if not origin <= place < stop:
                        continue
                    match = one.decide.match(buffer, place)
                    if match is None or match.end() != end or self._is_earlier(index, buffer, place):
                        continue
                    counts[one.term] = count = counts.get(one.term, 0) + 1
                    if count <= limit:
                        pending.append(_Hit(place, end, index))
            return calls % _CALLS == 0 and time.monotonic() > deadline  # true halts the scan

        for origin in range(window.shift, len(buffer) if self._database else 0, _PIECE):
            last.clear()
            stop = min(origin + _PIECE, window.border)
            if stop > origin:
                self._feed(buffer[origin : origin + _PIECE + _OVERLAP], on_match)
            pending.sort(key=lambda hit: (hit.start, hit.pattern))
            yield from pending
            pending.clear()
            _check(deadline)
        yield from self._regexes(window, trail, ends, limit, deadline, cut)

    def _feed(self, piece: memoryview, on_match: Any) -> None:
        """Show one piece to the automaton.

        In one block: fed as a stream, hyperscan 0.9.1 loses matches that end where a write ends (b[0-9][^a]*).
        """
        import hyperscan

        try:
            self._database.scan(piece, match_event_handler=on_match)
        except hyperscan.ScanTerminated:
            return  # out of time, as the caller is about to find

    def _is_earlier(self, index: int, buffer: memoryview, place: int) -> bool:
        """Does the term stand here in an encoding that comes first?"""
        return any(self.found[other].decide.match(buffer, place) for other in self.earlier[index])

    def _regexes(
        self, window: Window, trail: Trail, ends: dict[int, Ends], limit: int, deadline: float, cut: list[Problem]
    ) -> Iterator[_Hit]:
        by_term: dict[int, list[int]] = {}
        for index in sorted(self._alone | ends.keys()):
            by_term.setdefault(self.found[index].term, []).append(index)
        for term, indexes in by_term.items():
            streams = [self._matches(index, ends.get(index), window, trail, deadline, cut) for index in indexes]
            before = -1
            for hit in heapq.merge(*streams, key=lambda hit: (hit.start, hit.pattern)):
                if hit.start == before:
                    continue  # the same place in a second encoding
                before = hit.start
                trail.counts[term] = count = trail.counts.get(term, 0) + 1
                if count <= limit:
                    yield hit

    def _matches(
        self, index: int, ends: Ends | None, window: Window, trail: Trail, deadline: float, cut: list[Problem]
    ) -> Iterator[_Hit]:
        """What `re.finditer` gives from where the window before left off, for starts before the border."""
        found = self.found[index]
        size = len(window.buffer)
        reach = found.pattern.reach
        kept = ends.places(window.buffer, found.pattern.alphabet, found.pattern.width) if ends else None
        if kept is None:
            places: Iterable[tuple[int, int]] = ((at, min(at + _ALONE, size)) for at in range(0, size, _ALONE))
            reach = _ALONE_REACH
        else:
            places = kept
        position = max(window.shift, trail.resume.get(index, 0) - window.base)
        for start, end in matches_in(found.decide, window.buffer, places, position, reach, lambda: _check(deadline)):
            if start >= window.border:
                return
            trail.resume[index] = window.base + end
            if end == size and window.is_cut:
                term = self.terms[found.term]
                text = f"{term.source}: {term.text!r} matches to the end of what is seen at once and may be longer."
                cut.append(note(text, error="cut", offset=window.base + start))
            yield _Hit(start, end, index)


def _check(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TimedOut("the search for keywords took longer than its limit. Raise keywords.timeout or look by hand.")


def _compiles(indexes: list[int], found: list[_Found]) -> Any:
    """A database of these patterns, numbered as in ``found``; None if hyperscan refuses."""
    import hyperscan

    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(
            # Bytes spelt out, never HS_FLAG_UTF8: evidence is not valid UTF-8.
            expressions=[found[index].pattern.propose.encode() for index in indexes],
            ids=indexes,
            elements=len(indexes),
            # Ends only: HS_FLAG_SOM_LEFTMOST loses matches (hyperscan 0.9.1, seen on b\\s(.{1,3}[ab]|.?a*)a*).
            flags=0,
        )
    except hyperscan.HyperscanError:
        return None
    return database


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, so that a killed run leaves no half file that the next would load."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)
