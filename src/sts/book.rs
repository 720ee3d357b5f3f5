//! What is known of the policies of others, and what has to be found out.

use std::collections::BTreeMap;

use super::known::{Cached, Entry, Failed, Job, Outcome};
use crate::{agent::console::harmless, mail::mta_sts::Policy};

/// How long the DNS is not asked again whether there is another policy, in seconds.
const FRESH: i64 = 300;
/// How long mail waits for what is being found out; then what is known already counts.
const WAIT: i64 = 45;
/// A policy is fetched again after that, so that it does not end while mail is sent (RFC 8461
/// section 3.3).
const DAY: i64 = 86_400;
/// For how long after the last mail that is done.
const USED: i64 = 30 * DAY;
/// How long failures are kept for the reports.
const REPORTED: i64 = 3 * DAY;
/// How long a policy that could not be fetched again is left in peace.
const AGAIN: i64 = 3_600;
/// The most domains that are remembered, and the most failures.
const DOMAINS: usize = 20_000;
const FAILURES: usize = 1_000;

/// The answer to smtpd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// For its table.
    Relay(String),
    /// It is being found out.
    Later,
}

#[derive(Debug, Default)]
struct Known {
    cached: Option<(Cached, Policy)>,
    /// When it was found out last whether there is a policy.
    checked: Option<i64>,
    /// Since when mail waits for that.
    since: Option<i64>,
    /// When a job was given that has not ended.
    running: Option<i64>,
    /// When it was tried last to fetch the policy again.
    tried: Option<i64>,
}

impl Known {
    /// The policy that counts now.
    fn policy(&self, now: i64) -> Option<&Policy> {
        let (cached, policy) = self.cached.as_ref()?;
        (now < ends(cached, policy)).then_some(policy)
    }
}

/// At least as long as the look that found it counts, or it would be looked for again and again.
fn ends(cached: &Cached, policy: &Policy) -> i64 {
    let age = i64::try_from(policy.max_age).unwrap_or(i64::MAX);
    cached.fetched.saturating_add(age.max(FRESH))
}

/// All of it.
#[derive(Debug, Default)]
pub struct Book {
    known: BTreeMap<String, Known>,
    failed: Vec<Failed>,
}

impl Book {
    /// What was kept; what is no policy any more is left out.
    pub fn new(kept: Vec<(String, Cached)>, failed: Vec<Failed>) -> Self {
        let entry = |(domain, cached): (String, Cached)| {
            let policy = Policy::parse(&cached.text).ok()?;
            let cached = Some((cached, policy));
            Some((
                domain,
                Known {
                    cached,
                    ..Known::default()
                },
            ))
        };
        Self {
            known: kept.into_iter().filter_map(entry).collect(),
            failed,
        }
    }

    /// How to send to a domain, and what has to be found out for that. The domain is in lower case.
    pub fn ask(&mut self, now: i64, domain: &str) -> (Answer, Option<Job>) {
        if !is_name(domain) {
            return (Answer::Relay(none()), None);
        }
        if !self.known.contains_key(domain) && self.known.len() >= DOMAINS {
            self.make_room();
        }
        let known = self.known.entry(domain.to_owned()).or_default();
        // what has ended is fetched again, though its record be the same
        if known.policy(now).is_none() && known.cached.take().is_some() {
            known.checked = None;
        }
        if let Some((cached, _)) = &mut known.cached {
            cached.used = now;
        }
        let relay = known.policy(now).map_or_else(none, Policy::relay);
        if within(now, known.checked, FRESH) {
            return (Answer::Relay(relay), None);
        }
        if !within(now, known.since, FRESH) {
            known.since = Some(now);
        }
        let answer = match within(now, known.since, WAIT) {
            true => Answer::Later,
            false => Answer::Relay(relay),
        };
        // one that never ended is given again
        if within(now, known.running, FRESH) {
            return (answer, None);
        }
        known.running = Some(now);
        let job = Job {
            domain: domain.to_owned(),
            known: known.cached.as_ref().map(|(cached, _)| cached.id.clone()),
            for_mail: true,
        };
        (answer, Some(job))
    }

    /// Forgets the half that was not used for longest: without a policy first.
    fn make_room(&mut self) {
        let used = |known: &Known| known.cached.as_ref().map_or(i64::MIN, |(c, _)| c.used);
        let mut all: Vec<i64> = self.known.values().map(used).collect();
        all.sort_unstable();
        let limit = all.get(all.len() / 2).copied().unwrap_or(i64::MAX);
        self.known.retain(|_, known| used(known) > limit);
    }

    /// Has a domain looked for anew, whatever is known of it; `None` if it is no name of a domain.
    pub fn refresh(&mut self, now: i64, domain: &str) -> Option<Job> {
        is_name(domain).then(|| {
            let known = self.known.entry(domain.to_owned()).or_default();
            known.checked = None;
            known.since = Some(now);
            known.running = Some(now);
            Job {
                domain: domain.to_owned(),
                known: None,
                for_mail: false,
            }
        })
    }

    /// What came of a job. Returns whether there is something to keep.
    ///
    /// A policy that is known goes on until its end whatever happens: that its record is gone, or its
    /// server does not answer, may be an attack (RFC 8461 section 5.1).
    pub fn learned(&mut self, now: i64, job: &Job, outcome: Outcome) -> bool {
        let known = self.known.entry(job.domain.clone()).or_default();
        known.running = None;
        // what was known may have ended meanwhile
        let gone = outcome == Outcome::Unchanged && known.cached.is_none();
        if gone || matches!(outcome, Outcome::NoAnswer(_)) {
            // mail that waits has it looked for again
            return false;
        }
        known.checked = Some(now);
        known.since = None;
        let (result, reason) = match outcome {
            Outcome::NoRecord | Outcome::Unchanged | Outcome::NoAnswer(_) => return false,
            Outcome::Policy { id, text } => match Policy::parse(&text) {
                Ok(policy) => {
                    let used = known.cached.as_ref().map(|(cached, _)| cached.used);
                    let cached = Cached {
                        id,
                        text: policy.to_string(),
                        fetched: now,
                        used: used.unwrap_or(now),
                    };
                    known.cached = Some((cached, policy));
                    return true;
                }
                Err(wrong) => ("sts-policy-invalid", wrong.to_string()),
            },
            Outcome::Failed { result, reason } => (result, reason),
        };
        if job.for_mail {
            self.count(now, &job.domain, result, &harmless(&reason));
        }
        job.for_mail
    }

    fn count(&mut self, now: i64, domain: &str, result: &str, reason: &str) {
        let day = now - now.rem_euclid(DAY);
        // the first reason stands for all: some have a time in them
        let same = |f: &&mut Failed| f.domain == domain && f.day == day && f.result == result;
        if let Some(failed) = self.failed.iter_mut().find(same) {
            failed.count += 1;
        } else if self.failed.len() < FAILURES {
            self.failed.push(Failed {
                domain: domain.to_owned(),
                day,
                result: result.to_owned(),
                reason: reason.to_owned(),
                count: 1,
            });
        }
    }

    /// Forgets what has ended, and says what to fetch again before it does.
    pub fn tidy(&mut self, now: i64) -> Vec<Job> {
        self.failed.retain(|f| now - f.day < REPORTED + DAY);
        self.known.retain(|_, known| {
            let times = [known.checked, known.since, known.running];
            known.policy(now).is_some() || times.iter().any(|t| within(now, *t, FRESH))
        });
        let mut jobs = Vec::new();
        for (domain, known) in &mut self.known {
            let Some((cached, policy)) = &known.cached else {
                continue;
            };
            let half = i64::try_from(policy.max_age / 2).unwrap_or(DAY);
            let old = now - cached.fetched >= half.min(DAY);
            let wanted = now - cached.used < USED;
            if old && wanted && !within(now, known.tried, AGAIN) && known.running.is_none() {
                known.tried = Some(now);
                known.running = Some(now);
                jobs.push(Job {
                    domain: domain.clone(),
                    known: None,
                    for_mail: false,
                });
            }
        }
        jobs
    }

    /// What is worth keeping.
    pub fn kept(&self) -> (Vec<(String, Cached)>, Vec<Failed>) {
        let policies = self.known.iter().filter_map(|(domain, known)| {
            let (cached, _) = known.cached.as_ref()?;
            Some((domain.clone(), cached.clone()))
        });
        (policies.collect(), self.failed.clone())
    }

    /// The policies that count.
    pub fn entries(&self, now: i64) -> Vec<Entry> {
        let entry = |(domain, known): (&String, &Known)| {
            let policy = known.policy(now)?;
            let (cached, _) = known.cached.as_ref()?;
            Some(Entry {
                domain: domain.clone(),
                mode: policy.mode,
                mx: policy.mx.clone(),
                until: ends(cached, policy),
                cached: cached.clone(),
            })
        };
        self.known.iter().filter_map(entry).collect()
    }
}

/// Whether `since` is less than `limit` seconds ago. A clock that was set back makes nothing new.
fn within(now: i64, since: Option<i64>, limit: i64) -> bool {
    since.is_some_and(|s| (0..limit).contains(&(now - s)))
}

fn none() -> String {
    "mta-sts:none".to_owned()
}

/// Whether it is a name that can have a policy: an address in brackets has none.
fn is_name(domain: &str) -> bool {
    let label = |label: &str| {
        let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(inside)
    };
    domain.len() <= 244 && domain.contains('.') && domain.split('.').all(label)
}

#[cfg(test)]
mod tests;
