//! Guests for the tests of the runtime. Each example is a component; `make guests` builds them.
