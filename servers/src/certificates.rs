//! A certificate authority of a server's own, and a certificate for 127.0.0.1 and localhost.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs;

/// Long enough for a directory that somebody keeps.
const VALID_DAYS: &str = "3650";

/// Everything that `openssl` would otherwise take from the machine's own settings.
const SETTINGS: &str = "\
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1, DNS:localhost
";

/// Files in PEM.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// What a client has to trust.
    pub authority: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Certificates {
    /// Those in `folder`, made when they are missing.
    ///
    /// # Panics
    /// When they cannot be made.
    pub fn of(folder: &Path) -> Self {
        let files = Self {
            authority: folder.join("authority.crt"),
            certificate: folder.join("server.crt"),
            key: folder.join("server.key"),
        };
        if !files.certificate.exists() {
            fs::create_dir_all(folder).expect("a server's directory can be written");
            fs::write(folder.join("settings"), SETTINGS).expect("so can the folder in it");
            let authority_key = folder.join("authority.key");
            let mut authority = request(folder, "authority", "/CN=Morgenruh trial authority");
            authority.arg("-keyout").arg(&authority_key);
            programs::run(authority.arg("-out").arg(&files.authority), "");
            let mut server = request(folder, "server", "/CN=localhost");
            server.arg("-CA").arg(&files.authority);
            server.arg("-CAkey").arg(&authority_key);
            server.arg("-keyout").arg(&files.key);
            programs::run(server.arg("-out").arg(&files.certificate), "");
        }
        files
    }
}

fn request(folder: &Path, extensions: &str, subject: &str) -> Command {
    let mut command = Command::new(programs::find("openssl"));
    command.args(["req", "-x509", "-noenc", "-days", VALID_DAYS]);
    command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    command.args(["-extensions", extensions, "-subj", subject]);
    command.arg("-config").arg(folder.join("settings"));
    command
}
