//! Reports about TLS for others (RFC 8460): what this server saw when it sent to their domains.

mod message;
mod record;
mod report;
mod seen;

pub use message::{gzip, message, name, sender};
pub use record::{Place, places};
pub use report::{Failure, Numbers, Report, Submitter, report};
pub use seen::Seen;
