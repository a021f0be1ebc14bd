"""The evidence pack: all that a ledger and its segments say of one model in one period, in one archive.

    form        what stands in the archive, and its manifest
    entries     which entries of a ledger concern the model
    standing    where the model and its versions stood at a moment
    story       versions, approvals, rollouts, findings, retrainings, incidents, what was kept: one file each
    inventory   the model's row, every field a value or a gap
    use         what was decided, counted from records
    gaps        what is asked for and not recorded
    clauses     which file answers which clause
    page        all of it, for people
    facts       the files, derived from entries and counts
    verify      the files, derived again from the archive's own bundle and compared

Whoever writes a pack and whoever verifies one derive the same bytes from the same entries, which is why the derivation
stands here and not where packs are written. It reads entries as the JSON they are, not as this release's types, so that
a field that a later release adds changes nothing in an older pack. What is derived, and how the page looks, belongs to
the version of the form: a change of either is a new version.
"""
