-- The case schema. A change needs a new SCHEMA_VERSION in case.py and a migration.

CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

CREATE TABLE runs(
    id INTEGER PRIMARY KEY,
    status TEXT NOT NULL,              -- running, finished
    plan TEXT NOT NULL,                -- JSON: what was asked for; equal plan = the same pass (--resume)
    facts TEXT NOT NULL                -- JSON: operator, reason, versions, plugins, start, end, exit code ...
) STRICT;

CREATE TABLE evidence(
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    paths TEXT NOT NULL,               -- JSON list, absolute
    facts TEXT NOT NULL                -- JSON, the shape of `info --json` and more
) STRICT;

CREATE TABLE verifications(
    evidence INTEGER NOT NULL REFERENCES evidence,
    run INTEGER NOT NULL REFERENCES runs,
    moment TEXT NOT NULL,              -- before, after
    facts TEXT NOT NULL,               -- JSON: digests, size, compared with, result
    PRIMARY KEY(evidence, run, moment)
) STRICT;

CREATE TABLE volumes(
    id INTEGER PRIMARY KEY,
    evidence INTEGER NOT NULL REFERENCES evidence,
    number TEXT NOT NULL,
    facts TEXT NOT NULL,               -- JSON
    listed INTEGER NOT NULL DEFAULT 0, -- 1 when the listing is complete
    UNIQUE(evidence, number)
) STRICT;

CREATE TABLE contents(
    id INTEGER PRIMARY KEY,
    subject TEXT NOT NULL UNIQUE,      -- what makes results equal: SHA-256, and that of the margin where there is one
    md5 TEXT NOT NULL, sha1 TEXT NOT NULL, sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    mime TEXT NOT NULL
) STRICT;
CREATE INDEX contents_sha256 ON contents(sha256);

CREATE TABLE entries(
    id INTEGER PRIMARY KEY,
    volume INTEGER NOT NULL REFERENCES volumes,
    container INTEGER,                 -- the entry this one was unpacked from
    locator TEXT NOT NULL UNIQUE,      -- its order is the order of everything
    kind TEXT NOT NULL,
    size INTEGER NOT NULL,
    content_state TEXT NOT NULL,       -- the only state that changes after listing
    place INTEGER,                     -- first byte in the volume, to read in physical order
    modified INTEGER, accessed INTEGER, changed INTEGER, born INTEGER, deleted INTEGER, -- ns, for sorting
    entry BLOB NOT NULL,               -- msgpack FileEntry
    content INTEGER,                   -- contents.id once read
    extension TEXT                     -- what the name claims where the type says otherwise
) STRICT;
CREATE INDEX entries_content ON entries(content);
CREATE INDEX entries_container ON entries(container) WHERE container IS NOT NULL;

CREATE TABLE stage_sets(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT; -- JSON [[stage, outcome, reason]]

CREATE TABLE entry_outcomes(
    entry INTEGER NOT NULL, run INTEGER NOT NULL,
    own INTEGER NOT NULL,              -- stages that are this entry's alone
    final INTEGER,                     -- all stages, once the pass is finished
    PRIMARY KEY(entry, run)
) STRICT, WITHOUT ROWID;

CREATE TABLE content_outcomes(         -- stages whose results all holders of a content share
    content INTEGER NOT NULL, units TEXT NOT NULL, stages INTEGER NOT NULL,
    PRIMARY KEY(content, units)
) STRICT, WITHOUT ROWID;

CREATE TABLE findings(
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL,                  -- F
    content INTEGER,                   -- shared by every entry that holds it, or
    entry INTEGER,                     -- this entry's alone
    type TEXT NOT NULL, plugin TEXT NOT NULL, version TEXT NOT NULL,
    place TEXT NOT NULL,               -- where: name, record, content, decoded, slack, unallocated
    offset INTEGER,
    record TEXT NOT NULL,              -- JSON
    whole INTEGER NOT NULL,            -- 0 where the scanner saw a window of the content
    run INTEGER NOT NULL               -- the pass that found it first
) STRICT;
CREATE UNIQUE INDEX findings_once ON findings(id, ifnull(content, 0), ifnull(entry, 0));
CREATE INDEX findings_content ON findings(content) WHERE content IS NOT NULL;
CREATE INDEX findings_entry ON findings(entry) WHERE entry IS NOT NULL;

CREATE TABLE events(
    finding INTEGER NOT NULL,          -- findings.key
    meaning TEXT NOT NULL,
    ns INTEGER NOT NULL,
    moment BLOB NOT NULL,              -- msgpack Moment
    PRIMARY KEY(finding, meaning, ns)
) STRICT, WITHOUT ROWID;

CREATE TABLE problems(
    key INTEGER PRIMARY KEY,
    content INTEGER,                   -- shown on every entry that holds it, or
    entry INTEGER,                     -- this entry's alone; both null: the evidence's or the run's own
    severity TEXT NOT NULL, stage TEXT NOT NULL, plugin TEXT NOT NULL, locator TEXT NOT NULL,
    error TEXT NOT NULL, message TEXT NOT NULL, offset INTEGER, run INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX problems_once ON problems(
    ifnull(content, 0), ifnull(entry, 0), severity, stage, plugin, locator, error, message, ifnull(offset, -1));

CREATE TABLE plans(
    run INTEGER NOT NULL, digest TEXT NOT NULL, facts TEXT NOT NULL, -- JSON Plan without its items
    PRIMARY KEY(run, digest)
) STRICT;
CREATE TABLE plan_items(
    digest TEXT NOT NULL, id TEXT NOT NULL, text TEXT NOT NULL, kind TEXT NOT NULL, source TEXT NOT NULL,
    PRIMARY KEY(digest, id)
) STRICT, WITHOUT ROWID;
