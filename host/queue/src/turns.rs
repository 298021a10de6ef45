//! Fair turns: whoever has had the least, by weight, is next (stride scheduling).

use std::collections::BTreeSet;

/// The distance that a turn of weight 1 moves its holder back.
const STRIDE: u64 = 1 << 16;

/// One contender's place. It outlives the contender's absence from the ring, so that leaving and coming back gains nothing.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    pass: Option<u64>,
    seated: bool,
}

/// Contenders that could take a turn now. Every operation is O(log n).
#[derive(Debug)]
pub(crate) struct Turns<K> {
    ring: BTreeSet<(u64, K)>,
    /// The pass of the last turn: where newcomers line up behind, so that no credit builds up while away.
    now: u64,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self { ring: BTreeSet::new(), now: 0 }
    }
}

impl<K: Ord + Clone> Turns<K> {
    pub(crate) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Who is next.
    pub(crate) fn first(&self) -> Option<&K> {
        self.ring.first().map(|(_, key)| key)
    }

    /// Puts a contender into the ring or takes it out.
    pub(crate) fn seat(&mut self, seat: &mut Seat, key: &K, eligible: bool, weight: u32) {
        if seat.seated == eligible {
            return;
        }
        seat.seated = eligible;
        if eligible {
            let pass = seat.pass.map_or(self.now + stride(weight), |pass| pass.max(self.now));
            seat.pass = Some(pass);
            self.ring.insert((pass, key.clone()));
        } else if let Some(pass) = seat.pass {
            self.ring.remove(&(pass, key.clone()));
        }
    }

    /// Charges a seated contender for a turn.
    pub(crate) fn charge(&mut self, seat: &mut Seat, key: &K, weight: u32) {
        let Some(pass) = seat.pass.filter(|_| seat.seated) else { return };
        self.ring.remove(&(pass, key.clone()));
        self.now = self.now.max(pass);
        seat.pass = Some(pass + stride(weight));
        self.ring.insert((pass + stride(weight), key.clone()));
    }
}

fn stride(weight: u32) -> u64 {
    (STRIDE / u64::from(weight.max(1))).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_follow_weights() {
        let mut turns = Turns::default();
        let mut seats = [Seat::default(), Seat::default()];
        let weights = [3, 1];
        for i in 0..2 {
            turns.seat(&mut seats[i], &i, true, weights[i]);
        }
        let mut served = [0, 0];
        for _ in 0..400 {
            let next = *turns.first().unwrap();
            served[next] += 1;
            turns.charge(&mut seats[next], &next, weights[next]);
        }
        assert_eq!(served, [300, 100]);
    }

    #[test]
    fn one_who_was_away_gets_no_credit_and_loses_none() {
        let mut turns = Turns::default();
        let (mut a, mut b) = (Seat::default(), Seat::default());
        turns.seat(&mut a, &"a", true, 1);
        for _ in 0..100 {
            turns.charge(&mut a, &"a", 1);
        }
        turns.seat(&mut b, &"b", true, 1);
        let mut served = Vec::new();
        for _ in 0..4 {
            let next = *turns.first().unwrap();
            served.push(next);
            turns.charge(if next == "a" { &mut a } else { &mut b }, &next, 1);
        }
        assert_eq!(served.iter().filter(|n| **n == "b").count(), 2);
    }
}
