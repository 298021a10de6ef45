//! Rules of the repository that no lint holds: see `tests/tidy.rs`.
