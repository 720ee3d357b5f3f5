//! What was accepted, and what of it is there.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    run,
    senders::{Number, Sent},
    world::{
        World,
        addresses::Family,
        appliance::{ALICE, Appliance, BOB},
    },
};

/// The Message-IDs of what is in the queue; a message without an envelope is in no queue.
const QUEUE: &str = "for d in /var/spool/smtpd/queue/*/*; do \
    [ -f $d/message ] && ls $d | grep -qv '^message$' && grep -m1 -ih '^message-id:' $d/message; \
    done; true";
/// What smtpd could not read any more.
const CORRUPT: &str = "ls -A /var/spool/smtpd/corrupt 2>/dev/null || true";

/// All of the campaign.
#[derive(Default)]
pub struct Ledger {
    sent: Sent,
    /// How often each is there: in mailboxes, and in the queue.
    there: BTreeMap<String, (usize, usize)>,
    /// Bounces to the senders, who are at the MX.
    bounces: usize,
    corrupt: String,
    /// What did not come back after it was killed.
    pub complaints: Vec<String>,
}

impl Ledger {
    /// Adds what a round has sent.
    pub fn add(&mut self, sent: Sent) {
        self.sent.taken.extend(sent.taken);
        self.sent.connections += sent.connections;
        self.sent.broken += sent.broken;
        self.sent.put_off += sent.put_off;
        self.sent.odd.extend(sent.odd);
    }

    /// Looks into the mailboxes and the queue.
    pub fn look(&mut self, world: &World, machine: &Appliance) {
        // the queue first: what is delivered meanwhile is then in both, not in none
        for line in run(machine, QUEUE).lines() {
            if let Some((_, id)) = line.split_once(':') {
                self.there.entry(id.trim().to_owned()).or_default().1 += 1;
            }
        }
        for login in [ALICE, BOB] {
            let reader = world.client(90, Family::V4);
            // rspamd may have its own thoughts about five hundred such messages
            let steps = json!([["marks", "INBOX"], ["marks", "Junk"]]);
            let result = reader.imap(login, steps).unwrap();
            assert_eq!(
                (result.ended, result.results.len()),
                (None, 2),
                "{}",
                login.0
            );
            for folder in result.results {
                let messages: Vec<(String, Value)> = serde_json::from_value(folder).unwrap();
                for (id, _) in messages {
                    self.there.entry(id).or_default().0 += 1;
                }
            }
        }
        self.bounces = world.mx().messages().unwrap().len();
        self.corrupt = run(machine, CORRUPT);
    }

    /// How many got 250.
    pub fn accepted(&self) -> usize {
        self.sent.taken.len()
    }

    fn copies(&self, number: Number) -> (usize, usize) {
        let found = self.there.get(&number.id());
        found.copied().unwrap_or_default()
    }

    /// What got 250 and is nowhere: its Message-ID, for whom it was, and what was said.
    pub fn lost(&self) -> Vec<String> {
        let taken = self.sent.taken.iter();
        taken
            .filter(|(number, _)| self.copies(**number) == (0, 0))
            .map(|(number, said)| format!("{} for {}: 250 {said}", number.id(), number.to().0))
            .collect()
    }

    /// Answers that should not be.
    pub fn odd(&self) -> &[String] {
        &self.sent.odd
    }

    /// All counts.
    pub fn report(&self) -> String {
        let copies = || self.sent.taken.keys().map(|number| self.copies(*number));
        let boxes = copies().filter(|(boxes, _)| *boxes > 0).count();
        let queued = copies()
            .filter(|(boxes, queue)| *boxes == 0 && *queue > 0)
            .count();
        let twice = copies().filter(|(boxes, _)| *boxes > 1).count();
        let more: usize = copies().map(|(boxes, _)| boxes.saturating_sub(1)).sum();
        format!(
            "{} messages got 250, over {} connections of which {} broke; messages were put off {} times\n\
             {boxes} of them are in a mailbox, {queued} in the queue, {} nowhere\n\
             {twice} came more than once, with {more} copies too many\n\
             bounces to the senders: {}; given up as corrupt: {:?}",
            self.accepted(),
            self.sent.connections,
            self.sent.broken,
            self.sent.put_off,
            self.lost().len(),
            self.bounces,
            self.corrupt.trim(),
        )
    }
}
