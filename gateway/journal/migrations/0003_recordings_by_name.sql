-- All forms of one sound, told at whatever time: its path without the three letters at the end.
CREATE INDEX journal_sounds ON journal (
    substr(json_extract(body, '$.event.path'), 1, length(json_extract(body, '$.event.path')) - 4),
    seq
) WHERE kind = 'RecordingKept';
