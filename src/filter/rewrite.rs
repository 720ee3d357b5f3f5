//! The message on its way back: fields added, removed and replaced, every other byte as it came.

use std::collections::{BTreeMap, HashMap};

use super::{
    doubt::Doubt,
    headers::{BadField, Field, Kind, Scanner, unstuffed},
    rspamd::AddHeader,
    spool::Spool,
};

/// What is to change in a message's header.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    add: Vec<(i64, Field)>,
    remove: Vec<(String, i64)>,
    subject: Option<Field>,
    strip_spam: bool,
}

impl Plan {
    /// Adds a field before the one that stands at `order` now, counted from 0 with smtpd's own
    /// Received being 0; negative orders count from the end, -1 being behind the last field.
    pub(super) fn add(&mut self, order: i64, name: &str, value: &str) -> Result<(), BadField> {
        self.add.push((order, Field::new(name, value)?));
        Ok(())
    }

    /// As [`Plan::add`], as rspamd wrote it.
    pub(super) fn add_header(&mut self, header: &AddHeader) -> Result<(), BadField> {
        self.add(header.order, &header.name, &header.value)
    }

    /// Removes fields called `name`: all for 0, the nth for n, the nth from the end for -n.
    pub(super) fn remove(&mut self, name: &str, position: i64) {
        self.remove.push((name.to_ascii_lowercase(), position));
    }

    /// Replaces the subject, or adds one.
    pub(super) fn subject(&mut self, value: &str) -> Result<(), BadField> {
        self.subject = Some(Field::new("Subject", value)?);
        Ok(())
    }

    /// Removes marks of spam filters that the message came with, so that none but ours counts.
    /// What stands above the first Received is from smtpd itself and stays.
    pub(super) fn strip_spam(&mut self) {
        self.strip_spam = true;
    }
}

/// Calls `out` with every line of the message, changed as `plan` says, until it returns `false`.
/// The final dot is not among them.
pub(super) fn each_line(
    spool: &Spool,
    plan: &Plan,
    mut out: impl FnMut(&[u8]) -> Result<bool, Doubt>,
) -> Result<(), Doubt> {
    let mut rewriter = Rewriter::new(plan, Counts::of(spool, plan)?);
    let mut going = true;
    spool.each_line(|line| {
        let (before, keep) = rewriter.step(unstuffed(line));
        for new in before.iter().flat_map(|field| field.lines()) {
            going = going && out(new)?;
        }
        if keep {
            going = going && out(line)?;
        }
        Ok::<_, Doubt>(going)
    })?;
    for new in rewriter.finish().iter().flat_map(|field| field.lines()) {
        going = going && out(new)?;
    }
    Ok(())
}

/// How many fields there are: needed only for positions counted from the end.
#[derive(Debug, Default)]
struct Counts {
    fields: i64,
    by_name: HashMap<String, i64>,
}

impl Counts {
    fn of(spool: &Spool, plan: &Plan) -> Result<Self, Doubt> {
        let mut counts = Self::default();
        for (name, position) in &plan.remove {
            if *position < 0 {
                counts.by_name.insert(name.clone(), 0);
            }
        }
        if counts.by_name.is_empty() && plan.add.iter().all(|(order, _)| *order >= -1) {
            return Ok(counts);
        }
        let mut scanner = Scanner::default();
        spool.each_line(|line| {
            if let Kind::Field(name) = scanner.next(unstuffed(line)) {
                counts.fields += 1;
                if let Some(count) = counts.by_name.get_mut(&lower(name)) {
                    *count += 1;
                }
            }
            Ok::<_, Doubt>(!scanner.in_body())
        })?;
        Ok(counts)
    }
}

struct Rewriter<'a> {
    plan: &'a Plan,
    scanner: Scanner,
    /// Fields to insert, by the number of the field they go before; what is beyond the last
    /// field goes to the end.
    inserts: BTreeMap<i64, Vec<&'a Field>>,
    /// Positions to remove by name, all of them positive or 0.
    remove: HashMap<&'a str, Vec<i64>>,
    seen: HashMap<&'a str, i64>,
    fields: i64,
    after_received: bool,
    keep: bool,
    subject: Option<&'a Field>,
    done: bool,
}

impl<'a> Rewriter<'a> {
    fn new(plan: &'a Plan, counts: Counts) -> Self {
        let mut inserts: BTreeMap<i64, Vec<&Field>> = BTreeMap::new();
        for (order, field) in &plan.add {
            let at = match *order {
                -1 => i64::MAX,
                order if order < 0 => (counts.fields + order + 1).max(0),
                order => order,
            };
            inserts.entry(at).or_default().push(field);
        }
        let mut remove: HashMap<&str, Vec<i64>> = HashMap::new();
        for (name, position) in &plan.remove {
            let from_end = || counts.by_name.get(name).copied().unwrap_or_default() + position + 1;
            let at = if *position < 0 { from_end() } else { *position };
            // as many from the end as there are not: nothing to remove
            if *position >= 0 || at > 0 {
                remove.entry(name).or_default().push(at);
            }
        }
        Self {
            plan,
            scanner: Scanner::default(),
            inserts,
            remove,
            seen: HashMap::new(),
            fields: 0,
            after_received: false,
            keep: true,
            subject: plan.subject.as_ref(),
            done: false,
        }
    }

    /// What goes before `line`, and whether the line itself stays.
    fn step(&mut self, line: &[u8]) -> (Vec<&'a Field>, bool) {
        if self.done {
            return (Vec::new(), true);
        }
        match self.scanner.next(line) {
            Kind::Continuation => (Vec::new(), self.keep),
            Kind::Body => (self.finish(), true),
            Kind::Field(name) => {
                let mut before = self.inserts.remove(&self.fields).unwrap_or_default();
                self.fields += 1;
                self.keep = self.keeps(name);
                if self.keep && self.plan.subject.is_some() && name.eq_ignore_ascii_case(b"Subject")
                {
                    // further subjects go, lest a reader shows the old one
                    before.extend(self.subject.take());
                    self.keep = false;
                }
                self.after_received |= name.eq_ignore_ascii_case(b"Received");
                (before, self.keep)
            }
        }
    }

    fn keeps(&mut self, name: &[u8]) -> bool {
        let name = lower(name);
        if self.plan.strip_spam && self.after_received && is_spam_mark(&name) {
            return false;
        }
        let Some((&key, positions)) = self.remove.get_key_value(name.as_str()) else {
            return true;
        };
        let nth = self.seen.entry(key).or_default();
        *nth += 1;
        !positions.iter().any(|at| *at == 0 || at == nth)
    }

    /// What goes to the end of the header.
    fn finish(&mut self) -> Vec<&'a Field> {
        if self.done {
            return Vec::new();
        }
        self.done = true;
        let left = std::mem::take(&mut self.inserts);
        let mut fields: Vec<&Field> = left.into_values().flatten().collect();
        fields.extend(self.subject.take());
        fields
    }
}

fn lower(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

fn is_spam_mark(name: &str) -> bool {
    name.starts_with("x-spam") || name.starts_with("x-rspamd")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::spool;

    fn rewritten(message: &str, plan: &Plan) -> String {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = spool::Writer::create(dir.path()).unwrap();
        for line in message.lines() {
            writer.push(line.as_bytes()).unwrap();
        }
        let spool = writer.finish().unwrap();
        let mut out = String::new();
        each_line(&spool, plan, |line| {
            out.push_str(str::from_utf8(line).unwrap());
            out.push('\n');
            Ok(true)
        })
        .unwrap();
        out
    }

    const MESSAGE: &str = "X-Spam: Yes (by smtpd)\nReceived: one\n\tby us\nReceived: two\n\
        X-SPAM : yes\n folded\nSubject: old\n and folded\nX-Spamd-Bar: /\nTo: a\n\n..body\nX-Spam: body\n";

    #[test]
    fn an_empty_plan_changes_nothing() {
        assert_eq!(rewritten(MESSAGE, &Plan::default()), MESSAGE);
        for message in ["", "\n", "\n\n", "a: b\n", "no header\n"] {
            assert_eq!(rewritten(message, &Plan::default()), message);
        }
    }

    #[test]
    fn marks_from_outside_go() {
        let mut plan = Plan::default();
        plan.strip_spam();
        insta::assert_snapshot!(rewritten(MESSAGE, &plan), @r"
        X-Spam: Yes (by smtpd)
        Received: one
        	by us
        Received: two
        Subject: old
         and folded
        To: a

        ..body
        X-Spam: body
        ");
    }

    #[test]
    fn fields_are_added_where_asked() {
        let mut plan = Plan::default();
        for (order, name) in [
            (0, "A"),
            (1, "B"),
            (1, "C"),
            (-1, "D"),
            (99, "E"),
            (-2, "F"),
            (-99, "G"),
        ] {
            plan.add(order, name, &order.to_string()).unwrap();
        }
        insta::assert_snapshot!(rewritten("R: 0\n x\nS: 1\nT: 2\n\nbody\n", &plan), @r"
        A: 0
        G: -99
        R: 0
         x
        B: 1
        C: 1
        S: 1
        F: -2
        T: 2
        E: 99
        D: -1

        body
        ");
        insta::assert_snapshot!(rewritten("", &plan), @r"
        A: 0
        F: -2
        G: -99
        B: 1
        C: 1
        E: 99
        D: -1
        ");
    }

    #[test]
    fn fields_are_removed_by_position() {
        let message = "A: 1\nB: 1\nA: 2\n x\na: 3\nB: 2\n\nA: body\n";
        let with = |positions: &[(&str, i64)]| {
            let mut plan = Plan::default();
            for (name, position) in positions {
                plan.remove(name, *position);
            }
            rewritten(message, &plan).replace('\n', "/")
        };
        assert_eq!(with(&[("a", 0)]), "B: 1/B: 2//A: body/");
        assert_eq!(with(&[("A", 2)]), "A: 1/B: 1/a: 3/B: 2//A: body/");
        assert_eq!(with(&[("A", -1), ("A", 1)]), "B: 1/A: 2/ x/B: 2//A: body/");
        assert_eq!(
            with(&[("A", 9), ("A", -9), ("C", 0)]),
            message.replace('\n', "/")
        );
    }

    #[test]
    fn the_subject_is_replaced_or_added() {
        let mut plan = Plan::default();
        plan.subject("*** SPAM *** new").unwrap();
        insta::assert_snapshot!(rewritten("R: 0\nSubject: old\n folded\nTo: a\nSUBJECT: two\n\nb\n", &plan), @r"
        R: 0
        Subject: *** SPAM *** new
        To: a

        b
        ");
        insta::assert_snapshot!(rewritten("R: 0\n\nSubject: b\n", &plan), @r"
        R: 0
        Subject: *** SPAM *** new

        Subject: b
        ");
        insta::assert_snapshot!(rewritten("R: 0\n", &plan), @r"
        R: 0
        Subject: *** SPAM *** new
        ");
    }
}
