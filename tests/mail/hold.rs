//! For a person who wants to look around: the appliance in its world, held up while the test
//! runs. It takes orders as files in the folder `hold` of the world's:
//!
//!     EZMAIL_HOLD=3600 cargo test --features by-hand --test mail -- hold --nocapture
//!     echo 'systemctl status rspamd' >FOLDER/hold/look.sh   # its answer is then in look.out
//!     nsenter --net=/proc/PID/ns/net dig @127.0.0.1 ...     # PID is printed
//!     touch FOLDER/hold/stop

use std::{
    env, fs, thread,
    time::{Duration, Instant},
};

use crate::world::{
    World,
    appliance::{Appliance, BOOT, answers, iso},
};

/// Waits for the shell alone: most is to be seen where the rest does not come up.
#[test]
fn hold() {
    let world = World::new("hold").unwrap();
    let appliance = Appliance::boot(&world, &iso().unwrap(), &answers(&world).unwrap()).unwrap();
    appliance.shell().wait(BOOT).unwrap();
    let seconds = env::var("EZMAIL_HOLD").map_or(600, |text| text.parse().unwrap());
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let folder = world.folder().join("hold");
    fs::create_dir_all(&folder).unwrap();
    println!(
        "held for {seconds} s; orders: {}; the network: /proc/{}/ns/net",
        folder.display(),
        world.namespace().pid()
    );
    while Instant::now() < deadline && !folder.join("stop").exists() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e != "sh") {
                continue;
            }
            let script = fs::read_to_string(&path).unwrap();
            fs::remove_file(&path).unwrap();
            let limit = Duration::from_secs(300);
            let ran = appliance.shell().run(&script, limit).unwrap();
            let text = format!("{}[status {}]\n", ran.output, ran.status);
            fs::write(path.with_extension("out"), text).unwrap();
        }
        thread::sleep(Duration::from_millis(200));
    }
}
