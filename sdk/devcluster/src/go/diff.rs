//! Two texts as a unified diff with three lines around each change: what Go's difflib, which kube-apiserver uses, makes of them.

use std::collections::HashMap;

const CONTEXT: usize = 3;
/// In texts of at least so many lines, those that are met too often do not start a match.
const LONG: usize = 200;

#[derive(Clone, Copy)]
struct Change {
    equal: bool,
    old: (usize, usize),
    new: (usize, usize),
}

/// The diff, each line of it ended; empty where the texts are equal.
pub(crate) fn unified(old: &str, new: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    let mut text = String::new();
    for group in groups(changes(&a, &b)) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let (from, to) = (range(first.old.0, last.old.1), range(first.new.0, last.new.1));
        text.push_str(&format!("@@ -{from} +{to} @@\n"));
        for change in group {
            if change.equal {
                a[change.old.0..change.old.1].iter().for_each(|l| text.push_str(&format!(" {l}\n")));
            } else {
                a[change.old.0..change.old.1].iter().for_each(|l| text.push_str(&format!("-{l}\n")));
                b[change.new.0..change.new.1].iter().for_each(|l| text.push_str(&format!("+{l}\n")));
            }
        }
    }
    text
}

fn range(start: usize, end: usize) -> String {
    match end - start {
        1 => (start + 1).to_string(),
        0 => format!("{start},0"),
        length => format!("{},{length}", start + 1),
    }
}

/// Where the lines of the new text stand in it, those apart that are met too often.
fn index<'a>(b: &[&'a str]) -> HashMap<&'a str, Vec<usize>> {
    let mut places = HashMap::<&str, Vec<usize>>::new();
    b.iter().enumerate().for_each(|(i, line)| places.entry(line).or_default().push(i));
    if b.len() >= LONG {
        let most = b.len() / 100 + 1;
        places.retain(|_, at| at.len() <= most);
    }
    places
}

/// The longest run of equal lines within two ranges: where it starts in both, and its length.
fn longest(
    a: &[&str],
    b: &[&str],
    places: &HashMap<&str, Vec<usize>>,
    old: (usize, usize),
    new: (usize, usize),
) -> [usize; 3] {
    let (mut i, mut j, mut size) = (old.0, new.0, 0);
    let mut lengths = HashMap::<usize, usize>::new();
    for (at, line) in a.iter().enumerate().take(old.1).skip(old.0) {
        let mut next = HashMap::new();
        for &place in places.get(line).into_iter().flatten().filter(|p| (new.0..new.1).contains(*p)) {
            let length = 1 + place.checked_sub(1).and_then(|p| lengths.get(&p)).copied().unwrap_or(0);
            next.insert(place, length);
            if length > size {
                (i, j, size) = (at + 1 - length, place + 1 - length, length);
            }
        }
        lengths = next;
    }
    while i > old.0 && j > new.0 && a[i - 1] == b[j - 1] {
        (i, j, size) = (i - 1, j - 1, size + 1);
    }
    while i + size < old.1 && j + size < new.1 && a[i + size] == b[j + size] {
        size += 1;
    }
    [i, j, size]
}

fn matches(a: &[&str], b: &[&str]) -> Vec<[usize; 3]> {
    let places = index(b);
    let (mut found, mut open) = (Vec::new(), vec![((0, a.len()), (0, b.len()))]);
    while let Some((old, new)) = open.pop() {
        let [i, j, size] = longest(a, b, &places, old, new);
        if size > 0 {
            found.push([i, j, size]);
            open.extend([((old.0, i), (new.0, j)), ((i + size, old.1), (j + size, new.1))]);
        }
    }
    found.sort_unstable();
    found.push([a.len(), b.len(), 0]);
    found
}

fn changes(a: &[&str], b: &[&str]) -> Vec<Change> {
    let (mut i, mut j) = (0, 0);
    let mut all: Vec<Change> = Vec::new();
    for [at, place, size] in matches(a, b) {
        if i < at || j < place {
            all.push(Change { equal: false, old: (i, at), new: (j, place) });
        }
        (i, j) = (at + size, place + size);
        match all.last_mut().filter(|last| last.equal && size > 0) {
            Some(last) => (last.old.1, last.new.1) = (i, j),
            None if size > 0 => all.push(Change { equal: true, old: (at, i), new: (place, j) }),
            None => {}
        }
    }
    all
}

/// Changes with what stands around them; far ones apart.
fn groups(mut all: Vec<Change>) -> Vec<Vec<Change>> {
    if let Some(first) = all.first_mut().filter(|c| c.equal) {
        first.old.0 = first.old.0.max(first.old.1.saturating_sub(CONTEXT));
        first.new.0 = first.new.0.max(first.new.1.saturating_sub(CONTEXT));
    }
    if let Some(last) = all.last_mut().filter(|c| c.equal) {
        last.old.1 = last.old.1.min(last.old.0 + CONTEXT);
        last.new.1 = last.new.1.min(last.new.0 + CONTEXT);
    }
    let (mut found, mut group) = (Vec::new(), Vec::new());
    for mut change in all {
        if change.equal && change.old.1 - change.old.0 > 2 * CONTEXT {
            let end = Change {
                old: (change.old.0, change.old.0 + CONTEXT),
                new: (change.new.0, change.new.0 + CONTEXT),
                ..change
            };
            group.push(end);
            found.push(std::mem::take(&mut group));
            (change.old.0, change.new.0) = (change.old.1 - CONTEXT, change.new.1 - CONTEXT);
        }
        group.push(change);
    }
    found.push(group);
    found.retain(|group| group.iter().any(|c| !c.equal));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_shows_three_lines_around_each_change() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12";
        let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n12\n13";
        let wanted = "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n@@ -10,3 +10,4 @@\n 10\n 11\n 12\n+13\n";
        assert_eq!(unified(old, new), wanted);
        assert_eq!(unified(old, old), "");
    }
}
