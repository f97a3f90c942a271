"""The desk: what people write, kept in LAKE/desk/, append-only. See `jobs.desk.records` for what each kind of line is."""
