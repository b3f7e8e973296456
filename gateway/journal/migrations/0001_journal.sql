-- The chained record. Rows are only ever added; corrections are new rows that name the old.
CREATE TABLE journal (
    seq      INTEGER PRIMARY KEY,
    boot     TEXT NOT NULL,
    at_us    INTEGER NOT NULL,
    mono_us  INTEGER NOT NULL,
    settings TEXT NOT NULL,
    kind     TEXT NOT NULL,
    order_id TEXT,
    body     TEXT NOT NULL,
    prev     BLOB NOT NULL,
    hash     BLOB NOT NULL
) STRICT;

-- A hindrance against slips, not the proof: the proof is the chain and its published anchors.
CREATE TRIGGER journal_not_changed BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is only added to'); END;
CREATE TRIGGER journal_not_deleted BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is only added to'); END;
CREATE TRIGGER journal_in_order BEFORE INSERT ON journal
WHEN EXISTS (SELECT 1 FROM journal WHERE seq >= NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the journal is only added to at its end'); END;

-- The fold of every change: what stands. live = 0 once the order's number is free again; such
-- rows are for reading, not for the start.
CREATE TABLE entity (
    id       INTEGER PRIMARY KEY,
    kind     TEXT NOT NULL,
    key      TEXT NOT NULL,
    order_id TEXT,
    live     INTEGER NOT NULL,
    body     TEXT NOT NULL,
    UNIQUE (kind, key)
) STRICT;
CREATE INDEX entity_of_order ON entity (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX entity_live ON entity (id) WHERE live = 1;
CREATE INDEX entity_orders ON entity (id) WHERE kind = 'order';

CREATE TABLE outbox (
    id           INTEGER PRIMARY KEY,
    seq          INTEGER NOT NULL,
    driver       TEXT NOT NULL,
    kind         TEXT NOT NULL,
    body         TEXT NOT NULL,
    started      INTEGER NOT NULL DEFAULT 0,
    done         INTEGER NOT NULL DEFAULT 0,
    level        INTEGER,
    not_after_us INTEGER
) STRICT;
CREATE INDEX outbox_unsettled ON outbox (id) WHERE done = 0;

CREATE TABLE report (
    seq      INTEGER NOT NULL,
    part     INTEGER NOT NULL,
    order_id TEXT,
    at_us    INTEGER NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (seq, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX report_of_order ON report (order_id, seq) WHERE order_id IS NOT NULL;

CREATE TABLE cursor (
    source   TEXT PRIMARY KEY,
    position TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Personal values, each encrypted under its owner's key together with the salt of its
-- commitment. Erasing an owner empties cipher and key; the chain holds the commitment only.
CREATE TABLE personal (
    commitment BLOB PRIMARY KEY,
    owner      TEXT NOT NULL,
    cipher     BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX personal_of_owner ON personal (owner);

CREATE TABLE person_key (
    owner TEXT PRIMARY KEY,
    key   BLOB
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
