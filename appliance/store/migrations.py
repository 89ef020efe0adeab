"""The shape of the database, one numbered step after another. A step that was released never changes.

`PRAGMA user_version` holds how many steps a file has been through.
"""

from appliance.store.migration_faces import ERASED_FACES, FACES_CHANGED
from appliance.store.migration_lockdown import TWO_LOCKDOWNS
from appliance.store.migration_rules import RULES

APPLICATION_ID = 0x4C4E544C
"""`LNTL`, so that another program's database is not mistaken for ours (sqlite.org/fileformat2.html)."""

FIRST = """
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- Salts are not secret; they only have to differ from device to device.
INSERT INTO meta VALUES
    ('pin_salt', randomblob(16)),
    ('site_salt', randomblob(16)),
    ('roster_version', 0);

CREATE TABLE people (
    pid TEXT PRIMARY KEY,
    person_key BLOB NOT NULL,
    suspended INTEGER NOT NULL DEFAULT 0 CHECK (suspended IN (0, 1)),
    extended INTEGER NOT NULL DEFAULT 0 CHECK (extended IN (0, 1)),
    valid_from REAL,
    valid_until REAL,
    added_at REAL NOT NULL
) STRICT;

CREATE TABLE names (
    pid TEXT PRIMARY KEY REFERENCES people (pid) ON DELETE CASCADE,
    sealed BLOB NOT NULL
) STRICT;

CREATE TABLE pins (
    pid TEXT PRIMARY KEY REFERENCES people (pid) ON DELETE CASCADE,
    sealed BLOB NOT NULL,
    set_at REAL NOT NULL
) STRICT;

CREATE TABLE memberships (
    pid TEXT NOT NULL REFERENCES people (pid) ON DELETE CASCADE,
    name TEXT NOT NULL,
    PRIMARY KEY (pid, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE consents (
    id INTEGER PRIMARY KEY,
    pid TEXT NOT NULL REFERENCES people (pid) ON DELETE CASCADE,
    notice TEXT NOT NULL,
    given_at REAL NOT NULL,
    recorded_by TEXT NOT NULL,
    expires_at REAL NOT NULL,
    withdrawn_at REAL,
    UNIQUE (pid, id)
) STRICT;

-- One consent at a time stands for a person.
CREATE UNIQUE INDEX consents_standing ON consents (pid) WHERE withdrawn_at IS NULL;

CREATE TABLE templates (
    id TEXT PRIMARY KEY,
    pid TEXT NOT NULL,
    consent INTEGER NOT NULL,
    model TEXT NOT NULL,
    sealed BLOB NOT NULL,
    source TEXT NOT NULL,
    at REAL NOT NULL,
    FOREIGN KEY (pid, consent) REFERENCES consents (pid, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX templates_pid ON templates (pid, consent);

CREATE TRIGGER templates_need_consent BEFORE INSERT ON templates
WHEN NOT EXISTS (
    SELECT 1 FROM consents WHERE id = NEW.consent AND pid = NEW.pid AND withdrawn_at IS NULL
)
BEGIN
    SELECT RAISE (ABORT, 'no template without a standing consent');
END;

CREATE TRIGGER templates_stay BEFORE UPDATE OF pid, consent ON templates
BEGIN
    SELECT RAISE (ABORT, 'a template stays with the person and consent it was made for');
END;

CREATE TRIGGER consents_withdrawn AFTER UPDATE OF withdrawn_at ON consents
WHEN NEW.withdrawn_at IS NOT NULL
BEGIN
    DELETE FROM templates WHERE consent = NEW.id;
END;

CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    boot TEXT NOT NULL,
    t_ms INTEGER NOT NULL,
    tq TEXT NOT NULL CHECK (tq IN ('synced', 'holdover', 'unknown')),
    mono_ms INTEGER NOT NULL,
    type TEXT NOT NULL CHECK (type IN ('access', 'door', 'tamper', 'spoof', 'pin', 'audit', 'sys')),
    why TEXT NOT NULL,
    pid TEXT,
    "by" TEXT,
    score REAL,
    thr REAL,
    live INTEGER CHECK (live IN (0, 1)),
    detail TEXT NOT NULL,
    cfg TEXT,
    roster INTEGER NOT NULL,
    mdl TEXT,
    prev BLOB NOT NULL CHECK (length (prev) = 32),
    hash BLOB NOT NULL CHECK (length (hash) = 32),
    settled_at REAL
) STRICT;

-- The outbox: what nobody has acknowledged yet.
CREATE INDEX events_unsettled ON events (seq) WHERE settled_at IS NULL;

CREATE TRIGGER events_are_written_once
BEFORE UPDATE OF seq, id, boot, t_ms, tq, mono_ms, type, why, pid, "by", score, thr, live, detail,
    cfg, roster, mdl, prev, hash ON events
BEGIN
    SELECT RAISE (ABORT, 'an event is written once');
END;

-- Where rows were taken out on purpose, so that the chain still holds across the hole.
CREATE TABLE gaps (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL CHECK (last >= first),
    prev BLOB NOT NULL CHECK (length (prev) = 32),
    hash BLOB NOT NULL CHECK (length (hash) = 32),
    why TEXT NOT NULL CHECK (why IN ('retention', 'thinned'))
) STRICT;

CREATE UNIQUE INDEX gaps_last ON gaps (last);
"""

PASSES_AND_CARDS = """
-- What was issued and how often it opened. Neither the signature nor a name is kept.
CREATE TABLE passes (
    id TEXT PRIMARY KEY,
    pid TEXT NOT NULL REFERENCES people (pid) ON DELETE CASCADE,
    begins INTEGER NOT NULL,
    ends INTEGER NOT NULL CHECK (ends > begins),
    doors TEXT NOT NULL,
    uses INTEGER NOT NULL CHECK (uses >= 0),
    used INTEGER NOT NULL DEFAULT 0 CHECK (used >= 0 AND (uses = 0 OR used <= uses)),
    issued_at REAL NOT NULL,
    revoked_at REAL
) STRICT, WITHOUT ROWID;

CREATE INDEX passes_pid ON passes (pid);

CREATE TRIGGER passes_are_used_up_for_good BEFORE UPDATE OF id, uses, used ON passes
WHEN NEW.id <> OLD.id OR NEW.uses <> OLD.uses OR NEW.used < OLD.used
BEGIN
    SELECT RAISE (ABORT, 'a use of a pass cannot be taken back');
END;

-- The number only as a hash under the device key: 26 bits could be guessed from a plain one.
CREATE TABLE cards (
    digest BLOB PRIMARY KEY CHECK (length (digest) = 32),
    pid TEXT NOT NULL REFERENCES people (pid) ON DELETE CASCADE,
    set_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX cards_pid ON cards (pid);
"""

CARDS_SENT_ON = """
-- The number under its owner's key, for a door that is another panel's reader.
ALTER TABLE cards ADD COLUMN sealed BLOB;
"""

WHAT_COUNTS = """
-- The door reads at each start what still counts for its lock-outs, however much has happened since.
CREATE INDEX events_why ON events (why, "by");
"""

MIGRATIONS: tuple[str, ...] = (
    f"{FIRST}\nPRAGMA application_id = {APPLICATION_ID};",
    PASSES_AND_CARDS,
    CARDS_SENT_ON,
    WHAT_COUNTS,
    RULES,
    FACES_CHANGED,
    TWO_LOCKDOWNS,
    ERASED_FACES,
)
"""Step n takes a file from version n to n + 1."""
