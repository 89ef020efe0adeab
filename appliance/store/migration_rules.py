"""Step 5 of migrations.py: the rules of the doors, and what is noted about who came by them."""

RULES = """
-- Who may enter when. A closed week is a schedule without hours.
CREATE TABLE schedules (
    name TEXT PRIMARY KEY CHECK (name <> ''),
    begins REAL,
    ends REAL CHECK (ends > begins)
) STRICT, WITHOUT ROWID;

-- Minutes from midnight of the day they begin on, Monday 0; past 1440 they end on the next day.
CREATE TABLE schedule_hours (
    schedule TEXT NOT NULL REFERENCES schedules (name) ON DELETE CASCADE,
    day INTEGER NOT NULL CHECK (day BETWEEN 0 AND 6),
    begins INTEGER NOT NULL CHECK (begins BETWEEN 0 AND 1439),
    ends INTEGER NOT NULL CHECK (ends > begins AND ends <= begins + 1440),
    PRIMARY KEY (schedule, day, begins)
) STRICT, WITHOUT ROWID;

-- A day without hours of its own is closed.
CREATE TABLE special_days (
    schedule TEXT NOT NULL REFERENCES schedules (name) ON DELETE CASCADE,
    day TEXT NOT NULL CHECK (date (day, '+0 days') IS day),
    PRIMARY KEY (schedule, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE special_hours (
    schedule TEXT NOT NULL,
    day TEXT NOT NULL,
    begins INTEGER NOT NULL CHECK (begins BETWEEN 0 AND 1439),
    ends INTEGER NOT NULL CHECK (ends > begins AND ends <= begins + 1440),
    PRIMARY KEY (schedule, day, begins),
    FOREIGN KEY (schedule, day) REFERENCES special_days (schedule, day) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE calendars (
    name TEXT PRIMARY KEY CHECK (name <> ''),
    source TEXT NOT NULL,
    first TEXT CHECK (first IS NULL OR date (first, '+0 days') IS first),
    last TEXT CHECK (last IS NULL OR date (last, '+0 days') IS last),
    loaded_at REAL NOT NULL,
    CHECK ((first IS NULL) = (last IS NULL)),
    CHECK (last >= first)
) STRICT, WITHOUT ROWID;

CREATE TABLE calendar_days (
    calendar TEXT NOT NULL REFERENCES calendars (name) ON DELETE CASCADE,
    day TEXT NOT NULL CHECK (date (day, '+0 days') IS day),
    PRIMARY KEY (calendar, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE calendar_hours (
    calendar TEXT NOT NULL REFERENCES calendars (name) ON DELETE CASCADE,
    begins INTEGER NOT NULL CHECK (begins BETWEEN 0 AND 1439),
    ends INTEGER NOT NULL CHECK (ends > begins AND ends <= begins + 1440),
    PRIMARY KEY (calendar, begins)
) STRICT, WITHOUT ROWID;

CREATE TABLE schedule_calendars (
    schedule TEXT NOT NULL REFERENCES schedules (name) ON DELETE CASCADE,
    calendar TEXT NOT NULL REFERENCES calendars (name) ON DELETE RESTRICT,
    PRIMARY KEY (schedule, calendar)
) STRICT, WITHOUT ROWID;

CREATE TABLE group_hours (
    name TEXT NOT NULL CHECK (name <> ''),
    schedule TEXT NOT NULL REFERENCES schedules (name) ON DELETE RESTRICT,
    PRIMARY KEY (name, schedule)
) STRICT, WITHOUT ROWID;

-- Door '' is every door. Without a schedule: the mode while no schedule is on.
CREATE TABLE modes (
    id INTEGER PRIMARY KEY,
    door TEXT NOT NULL DEFAULT '',
    place INTEGER NOT NULL CHECK (place >= 0),
    schedule TEXT REFERENCES schedules (name) ON DELETE RESTRICT,
    mode TEXT NOT NULL
        CHECK (mode IN ('any', 'face', 'pin', 'face_and_pin', 'card_and_face', 'free', 'locked')),
    UNIQUE (door, schedule)
) STRICT;

CREATE UNIQUE INDEX modes_default ON modes (door) WHERE schedule IS NULL;

-- `escorted` stays when the last host is erased: then nobody can bring the visitor in.
CREATE TABLE visits (
    pid TEXT PRIMARY KEY REFERENCES people (pid) ON DELETE CASCADE,
    begins REAL NOT NULL,
    ends REAL NOT NULL CHECK (ends > begins),
    uses INTEGER CHECK (uses >= 1),
    used INTEGER NOT NULL DEFAULT 0 CHECK (used >= 0),
    escorted INTEGER NOT NULL CHECK (escorted IN (0, 1)),
    escort_seconds REAL NOT NULL CHECK (escort_seconds BETWEEN 5 AND 120)
) STRICT, WITHOUT ROWID;

CREATE TABLE hosts (
    pid TEXT NOT NULL REFERENCES visits (pid) ON DELETE CASCADE,
    host TEXT NOT NULL REFERENCES people (pid) ON DELETE CASCADE CHECK (host <> pid),
    PRIMARY KEY (pid, host)
) STRICT, WITHOUT ROWID;

CREATE INDEX hosts_host ON hosts (host);

CREATE TABLE bans (
    pid TEXT PRIMARY KEY REFERENCES people (pid) ON DELETE CASCADE,
    reason TEXT NOT NULL CHECK (reason <> ''),
    until REAL,
    set_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- A pair once. It goes with either of the two, or with the last template of one.
CREATE TABLE lookalikes (
    pid TEXT NOT NULL REFERENCES people (pid) ON DELETE CASCADE,
    other TEXT NOT NULL REFERENCES people (pid) ON DELETE CASCADE CHECK (pid < other),
    PRIMARY KEY (pid, other)
) STRICT, WITHOUT ROWID;

CREATE INDEX lookalikes_other ON lookalikes (other);

CREATE TRIGGER lookalikes_go_with_templates AFTER DELETE ON templates
WHEN NOT EXISTS (SELECT 1 FROM templates WHERE pid = OLD.pid)
BEGIN
    DELETE FROM lookalikes WHERE pid = OLD.pid OR other = OLD.pid;
END;

CREATE TABLE sightings (
    pid TEXT PRIMARY KEY REFERENCES people (pid) ON DELETE CASCADE,
    zone TEXT NOT NULL,
    reader TEXT NOT NULL,
    at REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- The PIN of somebody who is being forced; never without an ordinary one beside it.
CREATE TABLE duress_pins (
    pid TEXT PRIMARY KEY REFERENCES pins (pid) ON DELETE CASCADE,
    sealed BLOB NOT NULL,
    set_at REAL NOT NULL
) STRICT;
"""
