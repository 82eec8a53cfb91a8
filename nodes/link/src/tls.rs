//! TLS for two machines that know each other's keys: version 1.3 alone, raw public keys (RFC 7250), both sides prove theirs.
//!
//! There are no certificates, no authorities, no names, no session resumption and no early data: a connection is good when
//! the other end holds one of the pinned keys, and for nothing else.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    CertificateError, CipherSuite, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
    client::{
        AlwaysResolvesClientRawPublicKeys, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring as provider, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
    server::{
        AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
    version::TLS13,
};

use crate::key::{Identity, PublicKey};

/// The longest TLS record, in bytes. rustls copies each record twice, and glibc 2.36 copies from 8 KiB on with an instruction that
/// some processors (AMD Zen 4, measured) run at a third of the speed; shorter records cost more than they save.
pub const RECORD_MAX: usize = (8 << 10) - 22;

/// The keys that one connection may meet, and the one that it met.
#[derive(Debug)]
pub struct Pins {
    pinned: Vec<PublicKey>,
    /// What the other end showed; it proved nothing if the handshake failed.
    shown: Mutex<Option<PublicKey>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pins {
    /// Lets any of these keys through.
    #[must_use]
    pub fn new(pinned: Vec<PublicKey>) -> Arc<Pins> {
        let algorithms = provider::default_provider().signature_verification_algorithms;
        Arc::new(Pins { pinned, shown: Mutex::new(None), algorithms })
    }

    /// The key that the other end showed, if it came so far.
    #[must_use]
    pub fn shown(&self) -> Option<PublicKey> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is one of the pinned keys.
    #[must_use]
    pub fn holds(&self, key: PublicKey) -> bool {
        self.pinned.contains(&key)
    }

    fn check(&self, end_entity: &CertificateDer<'_>) -> Result<(), Error> {
        let key = PublicKey::from_spki(end_entity).ok_or(CertificateError::BadEncoding)?;
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
        if self.holds(key) { Ok(()) } else { Err(CertificateError::ApplicationVerificationFailure.into()) }
    }

    fn check_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &spki, signature, &self.algorithms)
    }
}

/// Said to whoever offers less than TLS 1.3; the configurations offer nothing less, so it is never asked.
fn only_tls13() -> Error {
    Error::PeerIncompatible(rustls::PeerIncompatible::Tls13RequiredForQuic)
}

impl ServerCertVerifier for Pins {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Pins {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// What TLS says about a broken connection, if it was TLS that broke it.
#[must_use]
pub fn error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// For the side that dials and knows whom.
///
/// # Errors
/// When the key or the algorithms are not usable.
pub fn dialing(identity: &Identity, pins: Arc<Pins>) -> Result<Arc<ClientConfig>, Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(algorithms()))
        .with_protocol_versions(&[&TLS13])?
        .dangerous() // because it checks keys instead of certificates
        .with_custom_certificate_verifier(pins)
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(certified(identity)?)));
    config.resumption = Resumption::disabled(); // a resumed session would not check the key again
    config.enable_sni = false;
    config.max_fragment_size = Some(RECORD_MAX);
    Ok(Arc::new(config))
}

/// For the side that is dialed.
///
/// # Errors
/// When the key or the algorithms are not usable.
pub fn accepting(identity: &Identity, pins: Arc<Pins>) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(algorithms()))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(pins)
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(certified(identity)?)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_fragment_size = Some(RECORD_MAX);
    config.ignore_client_order = !has_aes(); // the slower machine chooses
    Ok(Arc::new(config))
}

fn certified(identity: &Identity) -> Result<Arc<CertifiedKey>, Error> {
    let key = provider::sign::any_eddsa_type(&identity.pkcs8())?;
    Ok(Arc::new(CertifiedKey::new(vec![identity.public().spki().into()], key)))
}

/// X25519 alone, and the cipher that this processor is best at first.
fn algorithms() -> CryptoProvider {
    let mut algorithms = provider::default_provider();
    algorithms.kx_groups = vec![provider::kx_group::X25519];
    let fast_first = |suite: CipherSuite| match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => u8::from(!has_aes()),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => u8::from(has_aes()),
        _ => 2,
    };
    algorithms.cipher_suites.sort_by_key(|suite| fast_first(suite.suite()));
    algorithms
}

/// Whether the processor has instructions for AES; without them (a Raspberry Pi 4) ChaCha20 is several times faster.
fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}
