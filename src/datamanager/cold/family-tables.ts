// Tables of entries.ts. `family.file` and what follows it are null while the rows of a family are in the file.

export const familyTables = `
  CREATE TABLE family (
    number INTEGER PRIMARY KEY,
    id NOT NULL UNIQUE,
    ord INTEGER NOT NULL,
    path INTEGER NOT NULL,
    state INTEGER NOT NULL,
    counter INTEGER NOT NULL,
    label INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    removable_since INTEGER,
    repeats,
    is_final INTEGER NOT NULL,
    file INTEGER,
    block INTEGER,
    start INTEGER,
    length INTEGER,
    rows INTEGER,
    sum BLOB
  );
  CREATE INDEX family_removable ON family (removable_since) WHERE removable_since IS NOT NULL;
  CREATE INDEX family_repeats ON family (repeats) WHERE repeats IS NOT NULL;
  CREATE INDEX family_final ON family (id) WHERE is_final = 1 AND file IS NULL;
  CREATE TABLE family_path (number INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
  CREATE TABLE family_path_list (path INTEGER, list INTEGER, is_by_number INTEGER,
    PRIMARY KEY (path, list, is_by_number)) WITHOUT ROWID;
  CREATE TABLE family_label (number INTEGER PRIMARY KEY, label TEXT NOT NULL UNIQUE);
  CREATE TABLE family_order (list INTEGER, state INTEGER, ord INTEGER, number INTEGER,
    PRIMARY KEY (list, state, ord, number)) WITHOUT ROWID;
  CREATE TABLE family_time (span INTEGER PRIMARY KEY, earliest INTEGER NOT NULL, latest INTEGER NOT NULL);
  CREATE TABLE cold_file (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    blocks BLOB NOT NULL,
    families INTEGER NOT NULL
  );
`
