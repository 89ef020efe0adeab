"""The step that lets a reader of templates see whose have changed."""

FACES_CHANGED = """
-- Whose templates, consent or suspension changed, in order. The oldest go: who missed them reads everything.
CREATE TABLE face_changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    pid TEXT NOT NULL
) STRICT;

CREATE TRIGGER face_changes_are_few AFTER INSERT ON face_changes
BEGIN
    DELETE FROM face_changes WHERE seq <= NEW.seq - 1024;
END;

CREATE TRIGGER faces_added AFTER INSERT ON templates
BEGIN
    INSERT INTO face_changes (pid) VALUES (NEW.pid);
END;

CREATE TRIGGER faces_changed AFTER UPDATE ON templates
BEGIN
    INSERT INTO face_changes (pid) VALUES (NEW.pid);
END;

CREATE TRIGGER faces_removed AFTER DELETE ON templates
BEGIN
    INSERT INTO face_changes (pid) VALUES (OLD.pid);
END;

CREATE TRIGGER faces_suspended AFTER UPDATE OF suspended, person_key ON people
BEGIN
    INSERT INTO face_changes (pid) VALUES (NEW.pid);
END;

CREATE TRIGGER faces_consented AFTER UPDATE ON consents
BEGIN
    INSERT INTO face_changes (pid) VALUES (NEW.pid);
END;
"""

ERASED_FACES = """
-- Who is erased is forgotten here too. A newer row of nobody's stays in their place: who reads it reads everything.
CREATE TRIGGER faces_forgotten AFTER DELETE ON people
BEGIN
    INSERT INTO face_changes (pid) VALUES ('');
    DELETE FROM face_changes WHERE pid = OLD.pid;
END;

INSERT INTO face_changes (pid)
SELECT '' WHERE EXISTS (SELECT 1 FROM face_changes WHERE pid NOT IN (SELECT pid FROM people));

DELETE FROM face_changes WHERE pid <> '' AND pid NOT IN (SELECT pid FROM people);
"""
