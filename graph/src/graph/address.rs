//! Addresses and keys of machines. It never resolves a name and never connects.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::show::tick;

/// `host:port`, checked.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) text: String,
    /// Only processes of this machine can reach it.
    pub(crate) loopback: bool,
}

/// Reads `host:port`: a name, an IPv4 address or an IPv6 address in brackets.
///
/// # Errors
/// A sentence that says what is wrong.
pub(crate) fn address(text: &str) -> Result<Address, String> {
    let wrong = |what: &str| format!("{} {what}; write host:port, like \"192.168.1.5:7400\"", tick(text));
    let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong("has no port"))?;
    if port.starts_with('+') || port.parse::<u16>().ok().is_none_or(|port| port == 0) {
        return Err(wrong("has no port from 1 to 65535"));
    }
    if let Some(ip) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        let ip: Ipv6Addr = ip.parse().map_err(|_| wrong("has no IPv6 address between its brackets"))?;
        return Ok(Address { text: text.to_owned(), loopback: ip.is_loopback() });
    }
    if host.contains(':') {
        return Err(format!("{} is an IPv6 address without brackets; write [address]:port", tick(text)));
    }
    let loopback = match host.parse::<Ipv4Addr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) if is_name(host) => host.eq_ignore_ascii_case("localhost"),
        Err(_) => return Err(wrong("has no host")),
    };
    Ok(Address { text: text.to_owned(), loopback })
}

fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    let number = |label: &str| label.chars().all(|c| c.is_ascii_digit());
    // A name whose last part is a number is a broken IPv4 address.
    host.len() <= 253 && host.split('.').all(label) && !host.split('.').next_back().is_some_and(number)
}

/// Whether this is a public key: `ed25519:` and the base64 of 32 bytes.
pub(crate) fn is_key(text: &str) -> bool {
    let digit = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    let Some(digits) = text.strip_prefix("ed25519:").and_then(|rest| rest.strip_suffix('=')) else { return false };
    // 32 bytes are 43 digits of 6 bits, of which the last two bits are 0.
    digits.len() == 43 && digits.chars().all(digit) && digits.ends_with(|c| "AEIMQUYcgkosw048".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for (text, loopback) in [
            ("127.0.0.1:7400", true),
            ("127.9.9.9:1", true),
            ("localhost:7400", true),
            ("[::1]:7400", true),
            ("0.0.0.0:7400", false),
            ("[::]:7400", false),
            ("robot.local:7400", false),
            ("localhost.evil.org:7400", false),
        ] {
            assert_eq!(address(text).map(|address| address.loopback), Ok(loopback), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_told() {
        for text in [
            "",
            "robot",
            ":7400",
            "robot:",
            "robot:0",
            "robot:65536",
            "robot:+1",
            "a b:1",
            "*:7400",
            "::1:7400",
            "[x]:1",
            "127.0.0.1.:7400",
            "1.2.3:7400",
            "999.0.0.1:7400",
            "a/b:1",
            "\0:1",
            "[127.0.0.1]:1",
        ] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_is_32_bytes() {
        let key = format!("ed25519:{}A=", "a+/".repeat(14));
        assert!(is_key(&key));
        for text in [
            "",
            "ed25519:",
            "ed25519:…",
            &key[1..],
            &key[..key.len() - 1],
            &key.replace("A=", "B="),
            &format!("{key}="),
        ] {
            assert!(!is_key(text), "{text}");
        }
    }
}
