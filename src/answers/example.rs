//! The commented example that `ezmail answers new` prints.

/// The example's hash: well formed, and of nothing: salt and digest are zeros. So the example
/// passes the check (with a warning) and yet brings no default password into the world.
pub const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA\
                        $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The same for the console: `.` is the digit zero of crypt(5).
pub const CONSOLE_HASH: &str = "$6$rounds=200000$................$\
                                ......................................................................\
                                ................";

/// The example as TOML.
pub fn toml() -> String {
    include_str!("example.toml")
        .replace("@HASH@", HASH)
        .replace("@CONSOLE_HASH@", CONSOLE_HASH)
}
