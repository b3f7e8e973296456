-- Recordings are looked for by time among very many rows of other kinds. Indexes of their own
-- kind only: the other rows cost nothing.
CREATE INDEX journal_recordings ON journal (at_us) WHERE kind = 'RecordingKept';
CREATE INDEX journal_expired ON journal (seq) WHERE kind = 'RecordingsExpired';
