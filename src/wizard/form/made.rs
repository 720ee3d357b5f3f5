//! What a form has to wait for: disks that are looked at, keys and hashes that are made.

use anyhow::{Context, Result};

use super::{Form, Page};
use crate::wizard::{
    disks::Target,
    ready::Ready,
    text::{Credentials, DkimKey},
    values::Field,
};

impl Form {
    /// Whether DKIM keys are still to be made.
    pub fn waits_for_keys(&self) -> bool {
        self.keys.is_none()
    }

    /// Whether the disks are being looked at.
    pub fn waits_for_disks(&self) -> bool {
        self.listing
    }

    /// Whether one cannot go on from this page yet.
    pub fn waits(&self) -> bool {
        match self.page {
            Page::Place => self.listing,
            Page::Review => self.ready.is_none(),
            _ => false,
        }
    }

    /// Whether what it waits for is being made; else it has failed.
    pub fn is_working(&self) -> bool {
        let keys = self.keys_asked && self.keys.is_none();
        let hashes = self.hashed_for.is_some() && self.credentials.is_none();
        self.listing || keys || hashes
    }

    /// What [`super::Effect::ListDisks`] asked for.
    ///
    /// # Errors
    /// What it was given: memory is left to choose then.
    pub fn listed(&mut self, targets: Result<Vec<Target>>) -> Result<()> {
        let stop = self.stop();
        self.listing = false;
        let (targets, outcome) = match targets {
            Ok(targets) => (targets, Ok(())),
            Err(error) => (vec![Target::Memory], Err(error)),
        };
        self.values.offer(targets);
        self.notes.remove(&Field::Target);
        // the box about erasing may have come before a button that has the keys
        let at = self.stops().iter().position(|s| *s == stop);
        self.focus = at.unwrap_or(0);
        outcome
    }

    /// The keys that [`super::Effect::MakeKeys`] asked for.
    ///
    /// # Errors
    /// When they could not be made: they are asked for again. When the answers with them are refused.
    pub fn keys_made(&mut self, keys: Result<Vec<DkimKey>>) -> Result<()> {
        self.keys_asked = keys.is_ok();
        let keys = keys.context(
            "the keys that sign mail were not made; to try again, go back a page and on again",
        )?;
        self.keys = Some(keys);
        self.finish()
    }

    /// The hashes that [`super::Effect::Hash`] asked for by `number`; those of a password that was
    /// changed since are dropped.
    ///
    /// # Errors
    /// When they could not be made: they are asked for again. When the answers with them are refused.
    pub fn hashed(&mut self, number: u64, credentials: Result<Credentials>) -> Result<()> {
        if number == self.hash_number {
            if credentials.is_err() {
                self.hashed_for = None;
            }
            let credentials = credentials.context(
                "the password was not hashed; to try again, go back a page and on again",
            )?;
            self.credentials = Some(credentials);
        }
        self.finish()
    }

    /// Makes the answers, when the last page is shown and all that they need is there.
    pub(super) fn finish(&mut self) -> Result<()> {
        if self.page == Page::Review
            && self.ready.is_none()
            && let (Some(keys), Some(credentials)) = (&self.keys, &self.credentials)
        {
            let ready = Ready::new(&self.values, credentials, keys, &self.addresses)?;
            self.ready = Some(ready);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::wizard::{
        form::{
            Button, Effect, Stop,
            tests::{go_to, keys, press, through},
        },
        tests::{disk, filled, hashes, on_server, targets},
    };

    #[test]
    fn back_keeps_what_was_typed_and_a_new_password_is_hashed_anew() {
        let mut form = on_server();
        through(&mut form);
        form.keys_made(Ok(keys())).unwrap();
        form.hashed(1, Ok(hashes(true))).unwrap();
        assert_eq!(press(&mut form, "\t\t\r"), [Effect::ListDisks]);
        assert_eq!(form.page, Page::Place);
        form.listed(Ok(targets())).unwrap();
        // nothing has changed: all is ready at once
        assert_eq!(press(&mut form, "\t\r"), []);
        assert!(form.page == Page::Review && form.ready.is_some());
        for _ in 0..3 {
            go_to(&mut form, Button::Back);
            press(&mut form, "\r");
        }
        assert_eq!(form.page, Page::User);
        assert_eq!(form.values.local.text(), "alice");
        press(&mut form, "\t!\t!\t\r\t\t\r");
        form.listed(Ok(targets())).unwrap();
        press(&mut form, "\t\r");
        assert_eq!((form.page, form.ready.is_some()), (Page::Review, false));
        // hashes of the old one come too late, as does that they were not made
        form.hashed(1, Ok(hashes(true))).unwrap();
        form.hashed(1, Err(anyhow!("too late"))).unwrap();
        assert!(form.ready.is_none());
        form.hashed(2, Ok(hashes(true))).unwrap();
        assert!(form.ready.is_some());
    }

    #[test]
    fn what_was_not_made_is_asked_for_again() {
        let mut form = on_server();
        through(&mut form);
        assert!(form.waits() && form.is_working());
        let error = form.keys_made(Err(anyhow!("no memory"))).unwrap_err();
        insta::assert_snapshot!(format!("{error:#}"), @"the keys that sign mail were not made; to try again, go back a page and on again: no memory");
        assert!(form.is_working(), "on the hashes");
        let error = form.hashed(1, Err(anyhow!("no memory"))).unwrap_err();
        insta::assert_snapshot!(format!("{error:#}"), @"the password was not hashed; to try again, go back a page and on again: no memory");
        assert!(form.waits() && !form.is_working());
        press(&mut form, "\t\t\r");
        form.listed(Ok(targets())).unwrap();
        let effects = press(&mut form, "\t\r");
        assert_eq!(effects, [Effect::MakeKeys, Effect::Hash(2)]);
        assert!(form.is_working());
        form.hashed(2, Ok(hashes(true))).unwrap();
        form.keys_made(Ok(keys())).unwrap();
        assert!(form.ready.is_some());
    }

    #[test]
    fn disks_are_looked_at_whenever_their_page_is_entered() {
        let mut form = on_server();
        form.values = filled();
        form.values.offer(Vec::new());
        form.page = Page::Access;
        go_to(&mut form, Button::Next);
        let effects = press(&mut form, "\r");
        assert_eq!(effects, [Effect::MakeKeys, Effect::ListDisks]);
        // not past them, and not twice at a time
        assert_eq!(press(&mut form, "\t\r"), []);
        assert_eq!(form.page, Page::Place);
        go_to(&mut form, Button::Back);
        press(&mut form, "\r");
        go_to(&mut form, Button::Next);
        assert_eq!(press(&mut form, "\r"), []);
        assert!(form.page == Page::Place && form.waits());
        form.listed(Ok(targets())).unwrap();
        assert!(!form.waits());
        assert_eq!(form.values.target, Some(0));
        // it is known by now not to be blank: the button keeps the keys, but does not lead on
        form.listing = true;
        go_to(&mut form, Button::Next);
        let used = disk("/dev/vda", Some("data of an unknown kind"), None);
        form.listed(Ok(vec![used, Target::Memory])).unwrap();
        assert!(form.stops().contains(&Stop::Erase));
        assert_eq!(form.stop(), Stop::Button(Button::Next));
        press(&mut form, "\r");
        assert_eq!(form.notes[&Field::Target].message, "/dev/vda is not blank");
        form.listing = true;
        form.listed(Err(anyhow!("no lsblk"))).unwrap_err();
        assert_eq!(form.values.targets, [Target::Memory]);
    }
}
