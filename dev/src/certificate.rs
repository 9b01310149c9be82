//! The certificate with which `make run` serves HTTPS, and the authority that signs it: made on this machine, for
//! this machine's own names only.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData as _,
};
use time::{Duration, OffsetDateTime};

use crate::{Error, Result};

/// The names that a client on this machine can use.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// How long an authority signs.
const AUTHORITY_LIVES: Duration = Duration::days(730);
/// One that ends sooner is replaced: a run may last for weeks.
const RENEW_BEFORE: Duration = Duration::days(90);
/// Browsers refuse certificates that live longer.
const CERTIFICATE_LIVES: Duration = Duration::days(397);
/// A machine whose clock is a little behind takes the certificate, too.
const CLOCKS_DIFFER: Duration = Duration::days(1);

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The authority, for clients to trust.
    pub authority: PathBuf,
    /// What the gateway shows.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// A new certificate by the authority that is kept in the folder (`ca.pem`, `ca.key`). A new authority is made where
/// there is none, or where it ends within 90 days. `now` is in seconds since 1970. Keys have mode 0600.
///
/// # Errors
/// If a file cannot be read or written, or the system gives no random bytes.
pub fn load_or_make(folder: &Path, now: i64) -> Result<Served> {
    let now = OffsetDateTime::from_unix_timestamp(now)
        .map_err(|error| Error::Invalid(format!("the clock is wrong: {error}")))?;
    let served = Served {
        authority: folder.join("ca.pem"),
        certificate: folder.join("gateway.pem"),
        key: folder.join("gateway.key"),
    };
    let kept = kept(&served.authority, &folder.join("ca.key"), now)?;
    let (authority, ends) = match kept {
        Some(kept) => kept,
        None => new_authority(&served.authority, &folder.join("ca.key"), now)?,
    };
    let key = KeyPair::generate().map_err(made("the gateway's key"))?;
    let mut params = CertificateParams::new(NAMES.map(str::to_owned))
        .map_err(made("the gateway's certificate"))?;
    params.distinguished_name.push(DnType::CommonName, "stripe402 make run");
    params.not_before = now.saturating_sub(CLOCKS_DIFFER);
    params.not_after = now.saturating_add(CERTIFICATE_LIVES).min(ends);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let signed = params.signed_by(&key, &authority).map_err(made("the gateway's certificate"))?;
    write(&served.key, &key.serialize_pem(), 0o600)?;
    write(&served.certificate, &signed.pem(), 0o644)?;
    Ok(served)
}

type Authority = (Issuer<'static, KeyPair>, OffsetDateTime);

/// The authority in the files, and when it ends; `None` if it is of no use any more.
fn kept(certificate: &Path, key: &Path, now: OffsetDateTime) -> Result<Option<Authority>> {
    let (Some(pem), Some(key)) = (read(certificate)?, read(key)?) else { return Ok(None) };
    let Ok(key) = KeyPair::from_pem(&key) else { return Ok(None) };
    let Some((public, ends)) = key_and_end(&pem) else { return Ok(None) };
    // A run that was cut off between the two files left halves of two authorities.
    if public != key.subject_public_key_info() || ends < now.saturating_add(RENEW_BEFORE) {
        return Ok(None);
    }
    Ok(Issuer::from_ca_cert_pem(&pem, key).ok().map(|issuer| (issuer, ends)))
}

/// Whose key a certificate is for, as DER, and its last moment.
fn key_and_end(pem: &str) -> Option<(Vec<u8>, OffsetDateTime)> {
    let (_rest, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok()?;
    let certificate = pem.parse_x509().ok()?;
    let ends = certificate.validity().not_after.timestamp();
    let ends = OffsetDateTime::from_unix_timestamp(ends).ok()?;
    Some((certificate.public_key().raw.to_vec(), ends))
}

/// An authority that can vouch for this machine's own names and for nothing else: who trusts it in a browser trusts it
/// for no other site.
fn new_authority(certificate: &Path, key_file: &Path, now: OffsetDateTime) -> Result<Authority> {
    let key = KeyPair::generate().map_err(made("the authority's key"))?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "stripe402 make run, this machine only");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".to_owned()),
            GeneralSubtree::IpAddress(CidrSubnet::V4([127, 0, 0, 0], [255, 0, 0, 0])),
            GeneralSubtree::IpAddress(CidrSubnet::V6(
                std::net::Ipv6Addr::LOCALHOST.octets(),
                [255; 16],
            )),
        ],
        excluded_subtrees: Vec::new(),
    });
    let ends = now.saturating_add(AUTHORITY_LIVES);
    params.not_before = now.saturating_sub(CLOCKS_DIFFER);
    params.not_after = ends;
    let pem = params.self_signed(&key).map_err(made("the authority"))?.pem();
    write(key_file, &key.serialize_pem(), 0o600)?;
    write(certificate, &pem, 0o644)?;
    Ok((Issuer::new(params, key), ends))
}

fn made(what: &'static str) -> impl FnOnce(rcgen::Error) -> Error {
    move |error| Error::Invalid(format!("cannot make {what}: {error}"))
}

fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(format!("cannot read {}", path.display()))(error)),
    }
}

/// Whole, or not at all; never readable for more than `mode` says, not even for a moment.
fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    let failed = || Error::io(format!("cannot write {}", path.display()));
    let next = path.with_extension("new");
    let _absent = fs::remove_file(&next);
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&next);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed())?;
    fs::rename(&next, path).map_err(failed())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW: i64 = 1_800_000_000;
    const DAY: i64 = 86_400;

    fn texts(folder: &Path, now: i64) -> (String, String) {
        let served = load_or_make(folder, now).unwrap();
        let text = |path: &Path| fs::read_to_string(path).unwrap();
        (text(&served.authority), text(&served.certificate))
    }

    /// Whether the certificate is signed by the authority, and its first and last moments.
    fn looked_at(authority: &str, certificate: &str) -> (bool, i64, i64) {
        let parse = |pem: &str| x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap().1;
        let (authority, certificate) = (parse(authority), parse(certificate));
        let (authority, certificate) =
            (authority.parse_x509().unwrap(), certificate.parse_x509().unwrap());
        let validity = certificate.validity();
        (
            certificate.issuer() == authority.subject(),
            validity.not_before.timestamp(),
            validity.not_after.timestamp(),
        )
    }

    #[test]
    fn the_authority_is_kept_and_the_certificate_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let (authority, first) = texts(dir.path(), NOW);
        let parsed = x509_parser::pem::parse_x509_pem(authority.as_bytes()).unwrap().1;
        let parsed = parsed.parse_x509().unwrap();
        let names = parsed.name_constraints().unwrap().unwrap().value.permitted_subtrees.as_ref();
        assert_eq!(names.unwrap().len(), NAMES.len(), "it vouches for these names only");
        assert_eq!(looked_at(&authority, &first), (true, NOW - DAY, NOW + 397 * DAY));
        let (same, second) = texts(dir.path(), NOW + 639 * DAY);
        assert_eq!(same, authority);
        assert_ne!(second, first);
        // No certificate outlives its authority.
        assert_eq!(looked_at(&authority, &second), (true, NOW + 638 * DAY, NOW + 730 * DAY));
    }

    #[test]
    fn an_authority_that_ends_soon_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (authority, _) = texts(dir.path(), NOW);
        let (newer, certificate) = texts(dir.path(), NOW + 641 * DAY);
        assert_ne!(newer, authority);
        assert!(looked_at(&newer, &certificate).0);
    }

    #[test]
    fn halves_of_two_authorities_and_rubbish_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (authority, _) = texts(dir.path(), NOW);
        let other = tempfile::tempdir().unwrap();
        texts(other.path(), NOW);
        fs::copy(other.path().join("ca.key"), dir.path().join("ca.key")).unwrap();
        let (second, _) = texts(dir.path(), NOW);
        assert_ne!(second, authority);
        fs::write(dir.path().join("ca.pem"), "rubbish").unwrap();
        let (third, _) = texts(dir.path(), NOW);
        assert!(third.starts_with("-----BEGIN CERTIFICATE-----"), "{third}");
    }

    #[test]
    fn keys_are_their_owners_only() {
        let dir = tempfile::tempdir().unwrap();
        load_or_make(dir.path(), NOW).unwrap();
        for key in ["ca.key", "gateway.key"] {
            let mode = fs::metadata(dir.path().join(key)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{key}");
        }
    }
}
