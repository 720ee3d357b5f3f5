//! What is sent to be misread: behind STARTTLS, at the end of a message, and too much of anything.
//!
//! Each of these goes through the whole appliance; what smtpd does by itself is in `tests/smtpd`.

mod headers;
mod oversized;
mod smuggling;
mod starttls;
mod testssl;

use std::{collections::BTreeMap, thread, time::Duration};

use crate::{
    ARRIVAL, Setting, eventually,
    world::{
        addresses::Family,
        appliance::ALICE,
        client::{Port, Stored, Talk},
        message::{Mail, headers},
    },
};

const PEER: &str = "peer@example.com";

/// The lines of smtpd's log in which `text` stands.
fn logged(setting: &Setting, text: &str) -> String {
    let script =
        format!("journalctl -b -o cat -u smtpd --no-pager | grep -F '{text}' | head || true");
    setting.appliance.run(&script).unwrap()
}

/// The messages of Alice's in which `text` stands, with their folders.
fn holding(setting: &Setting, text: &str) -> Vec<(&'static str, Stored)> {
    let reader = setting.reader();
    let mut found = Vec::new();
    for folder in ["INBOX", "Junk"] {
        for message in reader.fetch(ALICE, folder).unwrap() {
            if String::from_utf8_lossy(&message.raw).contains(text) {
                found.push((folder, message));
            }
        }
    }
    found
}

/// Waits for a message to Alice, wherever it was put; it must be there once. It is moved to Trash:
/// other tests read these folders over and over.
fn taken(setting: &Setting, mail: &Mail) -> Stored {
    let mut found = eventually(&format!("the arrival of {}", mail.id), ARRIVAL, || {
        let found: Vec<_> = holding(setting, &mail.id)
            .into_iter()
            .filter(|(_, m)| headers(&m.raw, "Message-ID") == [mail.id.as_str()])
            .collect();
        (!found.is_empty()).then_some(found)
    });
    assert_eq!(found.len(), 1, "{} is there more than once", mail.id);
    let (folder, stored) = found.remove(0);
    let steps = serde_json::json!([["move", folder, stored.uid, "Trash"]]);
    let moved = setting.reader().imap(ALICE, steps).unwrap();
    assert_eq!(moved.ended, None, "{moved:?}");
    stored
}

/// A message of the outside's, signed and sent once: what the answer to it was.
fn offered(setting: &Setting, family: Family, mail: &Mail) -> (Talk, u16) {
    let sender = setting.sender(family).impatient(300);
    let talk = sender.send(Port::Smtp, None, mail).unwrap();
    let code = match talk.last() {
        Ok(reply) if reply.step == "message" => reply.code,
        _ => panic!("no answer to the message {}: {}", mail.id, talk.story()),
    };
    (talk, code)
}

/// The most memory, in kB, that each process of smtpd and rspamd has had, by unit, name and number.
type Processes = BTreeMap<(String, String, u32), u64>;

/// As it is now.
fn processes(setting: &Setting) -> Processes {
    let script = "for unit in smtpd rspamd; do
            for pid in $(cat /sys/fs/cgroup/system.slice/$unit.service/cgroup.procs); do
                peak=$(sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\) kB/\\1/p' /proc/$pid/status)
                name=$(tr ' ' _ </proc/$pid/comm)
                [ -z \"$peak\" ] || [ -z \"$name\" ] || echo $unit $name $pid $peak
            done
        done 2>/dev/null";
    let text = setting.appliance.run(script).unwrap();
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [unit, name, pid, peak] = words[..] else {
            panic!("{text}");
        };
        let key = (unit.to_owned(), name.to_owned(), pid.parse().unwrap());
        found.insert(key, peak.parse().unwrap());
    }
    found
}

/// What no process of theirs may have while a test runs, in MB. smtpd hands a message to the filter,
/// which keeps it in a file; rspamd reads all of it, and other tests send 50 MB meanwhile.
const PEAKS: [(&str, u64); 3] = [("smtpd", 160), ("filter", 64), ("rspamd", 450)];

/// The services before an attack.
struct Watch {
    name: &'static str,
    before: Processes,
}

impl Watch {
    fn begin(setting: &Setting, name: &'static str) -> Self {
        // from here on their peaks are counted (proc_pid_clear_refs(5))
        let reset = "for unit in smtpd rspamd; do
                for pid in $(cat /sys/fs/cgroup/system.slice/$unit.service/cgroup.procs); do
                    echo 5 >/proc/$pid/clear_refs || true
                done
            done 2>/dev/null";
        setting.appliance.run(reset).unwrap();
        // a delivery is a process as well, and soon over
        let mut before = processes(setting);
        thread::sleep(Duration::from_secs(2));
        let again = processes(setting);
        before.retain(|key, _| again.contains_key(key));
        for unit in ["smtpd", "rspamd"] {
            assert!(before.keys().any(|(u, ..)| u == unit), "{before:?}");
        }
        Self { name, before }
    }

    /// The same processes are there, none has become large, and mail goes through.
    fn end(self, setting: &Setting, family: Family) {
        self.judge(setting, &processes(setting));
        let name = format!("after-{}-{family:?}", self.name);
        let mail = Mail::new(PEER, ALICE.0, &name);
        let mail = setting.world.sign(mail).unwrap();
        let sender = setting.sender(family);
        sender.deliver_patiently(&mail, crate::PATIENCE).unwrap();
        taken(setting, &mail);
    }

    fn judge(&self, setting: &Setting, now: &Processes) {
        println!("{}: peaks in kB, before {:?}", self.name, self.before);
        println!("{}: now {now:?}", self.name);
        for key in self.before.keys() {
            assert!(now.contains_key(key), "{key:?} is gone: {now:?}");
        }
        for ((unit, name, pid), peak) in now {
            let filter = name.contains("filter");
            let kind = if filter { "filter" } else { unit.as_str() };
            let (_, most) = PEAKS.iter().find(|(k, _)| *k == kind).unwrap();
            assert!(peak / 1024 <= *most, "{name} {pid} had {peak} kB: {now:?}");
        }
        let killed = "journalctl -b -k -o cat --no-pager | grep -i 'out of memory' || true";
        assert_eq!(setting.appliance.run(killed).unwrap(), "");
    }
}
