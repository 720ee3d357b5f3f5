//! What the agent and mailctl share about mail: addresses, passwords, keys, records, the database.
//!
//! All but [`database`], [`accounts`] and [`mailbox`] is pure: it takes text and gives values, and
//! never touches the disk.

pub mod accounts;
pub mod acme;
pub mod address;
pub mod certificate;
pub mod chain;
pub mod controller;
pub mod crypt;
pub mod database;
pub mod dkim;
pub mod dkim_record;
pub mod mailbox;
pub mod mobileconfig;
pub mod mta_sts;
pub mod password;
pub mod records;
pub mod rotation;
pub mod routes;
pub mod tls_report;
