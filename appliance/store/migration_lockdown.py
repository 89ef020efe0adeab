"""The step that parts a lockdown of the whole site from one of this door alone."""

TWO_LOCKDOWNS = """
-- Which side had ordered it stood in `by` alone. What cannot be read stays the door's own: no message lifts that.
INSERT INTO meta
SELECT 'lockdown_site', value FROM meta
WHERE key = 'lockdown' AND CASE WHEN typeof (value) = 'text' AND json_valid (value)
    THEN json_extract (value, '$.by') GLOB 'site:*' ELSE 0 END;

DELETE FROM meta WHERE key = 'lockdown' AND EXISTS (SELECT 1 FROM meta WHERE key = 'lockdown_site');
"""
