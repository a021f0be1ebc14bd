"""One small spec for each flavor, over made-up loans: will an applicant pay late, and by how many days."""
