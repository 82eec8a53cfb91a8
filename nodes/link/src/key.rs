//! Who a machine is: an ed25519 key, made at first use and kept in a file that only its owner reads.
//!
//! A public key is written `ed25519:` and the standard base64 of its 32 bytes. The private key never leaves its file and this
//! process; it is never printed.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    str::FromStr,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};

/// What stands before the base64 of a public key.
const PREFIX: &str = "ed25519:";

/// An ed25519 SubjectPublicKeyInfo (RFC 8410) up to its 32 bytes of key.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A key file is a few lines; what is longer is no key and is not read.
const FILE_MAX: u64 = 16 << 10;

/// The public half: what the other machine's graph file pins.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key in a DER SubjectPublicKeyInfo; none when that is no ed25519 key.
    #[must_use]
    pub fn from_spki(der: &[u8]) -> Option<PublicKey> {
        der.strip_prefix(&SPKI_PREFIX)?.try_into().ok().map(PublicKey)
    }

    /// The key as a DER SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki(&self) -> Vec<u8> {
        [&SPKI_PREFIX[..], &self.0].concat()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = String;
    fn from_str(text: &str) -> Result<PublicKey, String> {
        let what = || {
            format!(
                "\"{}\" is no key: it is ed25519: and 44 letters, as `launch key` prints it on the other machine",
                text.chars().take(80).flat_map(char::escape_debug).collect::<String>()
            )
        };
        let base64 = text.strip_prefix(PREFIX).ok_or_else(what)?;
        let bytes = STANDARD.decode(base64).map_err(|_| what())?;
        bytes.try_into().map(PublicKey).map_err(|_| what())
    }
}

/// Both halves.
#[derive(Debug)]
pub struct Identity {
    pkcs8: PrivatePkcs8KeyDer<'static>,
    public: PublicKey,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Nowhere to put it.
    #[error("there is no place for this machine's key: set OFFBOARD_KEY_FILE or HOME")]
    NoPlace,
    /// Somebody else could have read it.
    #[error("{path} is readable by others (mode {mode:o}), so it may not be secret any more: chmod 600 {path}")]
    Exposed {
        /// The key file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a key.
    #[error("{0} holds no ed25519 key in PKCS#8 PEM; move it away and a new one is made")]
    NoKey(String),
    /// The operating system said no.
    #[error("{path}: {error}")]
    Io {
        /// The key file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The random number generator said no.
    #[error("the system gave no random numbers for a new key")]
    NoRandom,
}

impl Identity {
    /// A new one.
    ///
    /// # Errors
    /// [`KeyError::NoRandom`].
    pub fn generate() -> Result<Identity, KeyError> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::NoRandom)?;
        Identity::from_pkcs8(document.as_ref().to_vec().into()).ok_or(KeyError::NoRandom)
    }

    /// The one in a file, which is made if it is not there. Two processes that make it at once end up with the same.
    ///
    /// # Errors
    /// When the file cannot be read or made, is readable by others, or holds no key.
    pub fn load_or_create(path: &Path) -> Result<Identity, KeyError> {
        let in_path = |error| KeyError::Io { path: path.display().to_string(), error };
        match read(path) {
            Err(KeyError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                create(path, &Identity::generate()?.pem()).map_err(in_path)?;
                read(path)
            }
            other => other,
        }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The private half, for TLS.
    #[must_use]
    pub fn pkcs8(&self) -> PrivatePkcs8KeyDer<'static> {
        self.pkcs8.clone_key()
    }

    fn from_pkcs8(pkcs8: PrivatePkcs8KeyDer<'static>) -> Option<Identity> {
        // Unchecked: a key that openssl made is version 1 and does not repeat its public half.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8.secret_pkcs8_der()).ok()?;
        let public = PublicKey(pair.public_key().as_ref().try_into().ok()?);
        Some(Identity { pkcs8, public })
    }

    /// The identity in a PEM text; none when that is no ed25519 key.
    #[must_use]
    pub fn from_pem(pem: &str) -> Option<Identity> {
        PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok().and_then(Identity::from_pkcs8)
    }

    /// As it stands in its file, private half included.
    #[must_use]
    pub fn pem(&self) -> String {
        let text = STANDARD.encode(self.pkcs8.secret_pkcs8_der());
        let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
    }
}

/// Where this user's key is: `$OFFBOARD_KEY_FILE`, else `$XDG_CONFIG_HOME/offboard/key`, else `~/.config/offboard/key`.
///
/// # Errors
/// [`KeyError::NoPlace`] when none of the variables is set.
pub fn place(env: impl Fn(&str) -> Option<String>) -> Result<PathBuf, KeyError> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("OFFBOARD_KEY_FILE")
        // The base directory specification says: a relative path is ignored.
        .or_else(|| set("XDG_CONFIG_HOME").filter(|dir| dir.is_absolute()).map(|dir| dir.join("offboard/key")))
        .or_else(|| set("HOME").map(|home| home.join(".config/offboard/key")))
        .ok_or(KeyError::NoPlace)
}

fn read(path: &Path) -> Result<Identity, KeyError> {
    let shown = path.display().to_string();
    let in_path = |error| KeyError::Io { path: shown.clone(), error };
    let file = fs::File::open(path).map_err(in_path)?;
    let metadata = file.metadata().map_err(in_path)?;
    if metadata.is_file() && metadata.mode() & 0o077 != 0 {
        return Err(KeyError::Exposed { path: shown, mode: metadata.mode() & 0o777 });
    }
    let mut pem = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, FILE_MAX), &mut pem).map_err(in_path)?;
    let identity = std::str::from_utf8(&pem).ok().and_then(Identity::from_pem);
    identity.ok_or(KeyError::NoKey(shown))
}

/// Makes the file complete or not at all: it is written under another name and then linked to its own, which fails when
/// another process was first; then that one's key is the key.
fn create(path: &Path, pem: &str) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let draft = dir.join(format!(".key-{}", draft_name()?));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = file.write_all(pem.as_bytes()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    fs::remove_file(&draft)?;
    linked
}

fn draft_name() -> io::Result<String> {
    let random: [u8; 8] = random().ok_or_else(|| io::Error::other("no random numbers"))?;
    Ok(format!("{:016x}", u64::from_ne_bytes(random)))
}

/// Random bytes of cryptographic quality; none when the system has none.
#[must_use]
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    ring::rand::SecureRandom::fill(&SystemRandom::new(), &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_public_key_survives_its_text_and_its_der() {
        let key = Identity::generate().unwrap().public();
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(PublicKey::from_spki(&key.spki()), Some(key));
        assert_eq!(key.to_string().len(), "ed25519:".len() + 44);
    }

    #[test]
    fn what_is_no_key_is_told_what_a_key_looks_like() {
        for text in ["", "ed25519:", "ed25519:AAAA", "rsa:AAAA", "ed25519:\n\u{1b}[31m"] {
            let error = text.parse::<PublicKey>().unwrap_err();
            assert!(error.contains("launch key") && !error.contains('\u{1b}') && !error.contains('\n'), "{error}");
        }
        assert_eq!(PublicKey::from_spki(b"not der"), None);
    }

    #[test]
    fn the_key_is_made_once_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/key");
        let made = Identity::load_or_create(&path).unwrap().public();
        assert_eq!(Identity::load_or_create(&path).unwrap().public(), made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn processes_that_make_the_key_at_once_agree_on_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let keys: Vec<PublicKey> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..16).map(|_| scope.spawn(|| Identity::load_or_create(&path).unwrap())).collect();
            makers.into_iter().map(|maker| maker.join().unwrap().public()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_cure() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        Identity::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Identity::load_or_create(&path).unwrap_err().to_string();
        assert!(error.contains("mode 640") && error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_file_that_holds_something_else_is_kept_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, "my diary").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(Identity::load_or_create(&path), Err(KeyError::NoKey(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "my diary");
    }

    #[test]
    fn the_key_file_is_where_the_user_says_else_in_the_users_configuration() {
        let place = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            super::place(|name| set.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone())).ok()
        };
        let home = ("HOME", "/home/a");
        assert_eq!(place(&[home, ("OFFBOARD_KEY_FILE", "/k"), ("XDG_CONFIG_HOME", "/x")]), Some("/k".into()));
        assert_eq!(place(&[home, ("XDG_CONFIG_HOME", "/x")]), Some("/x/offboard/key".into()));
        assert_eq!(place(&[home, ("XDG_CONFIG_HOME", "")]), Some("/home/a/.config/offboard/key".into()));
        assert_eq!(place(&[home]), Some("/home/a/.config/offboard/key".into()));
        assert_eq!(place(&[]), None);
    }
}
