//! One server from its boot to its figures.

use std::{path::PathBuf, thread, time::Duration};

use anyhow::{Context, Result, ensure};

use crate::{
    load::{Sent, Way, send},
    memory::Memory,
    messages::{Batch, SIZES, Size, message},
    server::{Prepared, Server},
    settings::Settings,
    table::{Column, percentile},
    world::{
        World,
        addresses::{Family, SENDER},
        appliance::{ALICE, Appliance},
        client::Port,
        message::Mail,
    },
};

/// Somebody outside.
const PEER: &str = "peer@example.com";
/// For how long a sender that is not known may be put off, before anything is measured.
const GREYLISTED: Duration = Duration::from_secs(420);
/// Messages before the clock starts.
const WARM_UP: usize = 5;
/// What every scanner refuses, when it is asked (GTUBE).
const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

/// The messages of one kind.
struct Batches {
    way: Way,
    size: Size,
    warm_up: Batch,
    /// One after the other.
    single: Batch,
    /// Over all connections.
    crowd: Batch,
    /// Over all connections again, while memory is read.
    again: Batch,
}

/// All messages of one way. What comes from outside is signed, and is the same for every server.
pub struct Mailbag(Vec<Batches>);

impl Mailbag {
    /// Writes them all; `name` is a word that no other bag has.
    ///
    /// # Errors
    /// When one cannot be signed or written.
    pub fn fill(world: &World, settings: &Settings, way: Way, name: &str) -> Result<Self> {
        let folder: PathBuf = world.folder().join("mailbag").join(name);
        let batch = |size: Size, part: &str, count: usize| -> Result<Batch> {
            let mut batch = Batch::default();
            for number in 0..count {
                let bytes = size.name().replace(' ', "");
                let word = format!("{name}-{bytes}-{part}-{number}");
                let mail = match way {
                    Way::In => world.sign(message(PEER, ALICE.0, &word, size)?)?,
                    Way::Out => message(ALICE.0, PEER, &word, size)?,
                };
                batch.add(&folder, &mail)?;
            }
            Ok(batch)
        };
        let kinds = SIZES.map(|size| -> Result<Batches> {
            let count = match size {
                Size::Small => settings.small,
                Size::Large => settings.large,
            };
            Ok(Batches {
                way,
                size,
                warm_up: batch(size, "warm", WARM_UP)?,
                single: batch(size, "single", count)?,
                crowd: batch(size, "crowd", count)?,
                // the large ones take the most memory
                again: batch(size, "again", if size == Size::Large { count } else { 0 })?,
            })
        });
        Ok(Self(kinds.into_iter().collect::<Result<_>>()?))
    }

    /// How many messages are in it.
    pub fn len(&self) -> usize {
        let count = |b: &Batches| b.warm_up.len() + b.single.len() + b.crowd.len() + b.again.len();
        self.0.iter().map(count).sum()
    }
}

/// Boots a server, sees that it scans and signs, and measures it.
///
/// # Errors
/// When it does not come up, does not scan or sign, or loses a message.
pub fn measure(
    world: &World,
    settings: &Settings,
    prepared: &Prepared,
    server: Server,
    inward: &Mailbag,
) -> Result<(Column, String)> {
    let say = |what: &str| eprintln!("{}: {what}", server.name());
    let outward = Mailbag::fill(world, settings, Way::Out, server.name())?;
    say("booting");
    let machine = prepared.boot(server, settings, world)?;
    let accel = machine.machine().accel().to_owned();
    let all = || inward.0.iter().chain(&outward.0);
    say("warming up");
    settle(&machine, settings.settle)?;
    // all at once: who is greylisted has to wait
    thread::scope(|scope| {
        let parts: Vec<_> = all()
            .map(|part| scope.spawn(|| send(world, part.way, &part.warm_up, 1, GREYLISTED)))
            .collect();
        let mut parts = parts.into_iter();
        parts.try_for_each(|part| part.join().unwrap().map(drop))
    })?;
    scans_and_signs(world, server)?;
    settle(&machine, settings.settle)?;
    let mut column = Column::new(server);
    for part in all() {
        say(&format!("{}, {}", part.way.name(), part.size.name()));
        let single = send(world, part.way, &part.single, 1, Duration::ZERO)?;
        let crowd = send(
            world,
            part.way,
            &part.crowd,
            settings.connections,
            Duration::ZERO,
        )?;
        note(&mut column, part, &single, &crowd);
    }
    let mut most = Memory::default();
    for part in all().filter(|part| part.size == Size::Large) {
        say(&format!("memory, {}", part.way.name()));
        let load = || {
            send(
                world,
                part.way,
                &part.again,
                settings.connections,
                Duration::ZERO,
            )
        };
        let seen = Memory::during(&machine, server, load)?;
        most = most.or_larger(seen);
    }
    column.add("memory in use under load, MiB".into(), most.used);
    column.add("of that the mail daemons, MiB".into(), most.daemons);
    machine.kill()?;
    Ok((column, accel))
}

/// The rows of one kind of message.
fn note(column: &mut Column, part: &Batches, single: &Sent, crowd: &Sent) {
    let name = format!("{}, {}", part.way.name(), part.size.name());
    let rate = crowd.took.len() as f64 / crowd.seconds;
    column.add(format!("{name}: messages a second"), rate);
    for percent in [50, 99] {
        let seconds = percentile(&single.took, percent);
        column.add(format!("{name}: p{percent}, ms"), seconds * 1000.0);
    }
}

/// Waits until the machine has nothing to do: eight tenths of ten seconds idle, since an emulated
/// one spends a tenth on its timers alone.
fn settle(machine: &Appliance, limit: u64) -> Result<()> {
    if limit == 0 {
        return Ok(());
    }
    let script = format!(
        "end=$(($(cut -d. -f1 /proc/uptime) + {limit}))\n\
         stat() {{ awk '/^cpu / {{print $5+$6, $2+$3+$4+$5+$6+$7+$8+$9}}' /proc/stat; }}\n\
         while :; do\n\
         before=$(stat); sleep 10; after=$(stat)\n\
         set -- $before $after\n\
         [ $((($3 - $1) * 10)) -ge $((($4 - $2) * 8)) ] && exit 0\n\
         [ $(cut -d. -f1 /proc/uptime) -lt $end ] || break\n\
         done\n\
         ps -eo pcpu,args --sort=-pcpu | head -n 5; exit 1"
    );
    let limit = Duration::from_secs(limit + 60);
    let ran = machine.shell().run(&script, limit)?;
    ensure!(
        ran.status == 0,
        "the machine is always busy:\n{}",
        ran.output
    );
    Ok(())
}

/// A figure is worth nothing where nobody looks at the message, or nobody signs it.
fn scans_and_signs(world: &World, server: Server) -> Result<()> {
    let name = format!("gtube-{}", server.name());
    let bad = Mail::new(PEER, ALICE.0, &name).line(GTUBE);
    let talk = world
        .client(SENDER, Family::V4)
        .send(Port::Smtp, None, &bad)?;
    let last = talk.last()?;
    ensure!(
        last.step == "message" && last.code >= 500,
        "what every scanner refuses was answered with {} {}",
        last.code,
        last.text
    );
    let mine = format!("{}-1KB-warm-0", server.name());
    let sent = world.mx().wait_for(&mine, Duration::from_secs(60))?;
    let signatures = world.verify_dkim(&sent.raw)?;
    ensure!(
        signatures.len() == 2 && signatures.iter().all(|s| s.pass),
        "two good signatures are wanted: {signatures:#?}"
    );
    Ok(())
}

/// The machine that all of this runs on, in one line.
///
/// # Errors
/// When proc_cpuinfo(5) cannot be read.
pub fn host() -> Result<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").context("reading /proc/cpuinfo")?;
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("a CPU without a name", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    let cores = thread::available_parallelism()?;
    Ok(format!("{cores} cores, {model}"))
}
