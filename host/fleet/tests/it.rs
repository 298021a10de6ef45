//! Tests of the fleet against embedded clusters and servers that misbehave.

#[cfg(test)]
mod it {
    mod health;
    mod isolation;
    mod life;
    mod paths;
    mod stage;
    mod updates;
}
