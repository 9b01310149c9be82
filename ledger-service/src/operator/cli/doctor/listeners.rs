//! Where the ledger listens, and the certificate that it shows there.

use std::{net::SocketAddr, path::Path};

use super::check::Check;
use crate::{config::Config, net::tls::TlsOptions};

const TLS: &str = "TLS";
const ADDRESS: &str = "addresses";
const DAY_MS: u64 = 86_400_000;
/// ACME's clients renew thirty days before the end.
const SOON_DAYS: u64 = 21;

/// The certificate if there is one, else who can listen to what passes.
pub(super) fn checks(config: &Config, now_ms: u64) -> Vec<Check> {
    let mut checks = Vec::new();
    match &config.tls {
        Some(tls) => checks.push(certificate(tls, now_ms)),
        None => {
            let mut open = vec![("LEDGER_LISTEN", config.listen)];
            open.push(("LEDGER_ADMIN_LISTEN", config.admin_listen));
            open.extend(config.webhooks.iter().map(|(at, _)| ("LEDGER_WEBHOOK_LISTEN", *at)));
            checks.push(without_tls(&open));
        }
    }
    checks
}

fn without_tls(listeners: &[(&str, SocketAddr)]) -> Check {
    let open = listeners.iter().filter(|(_, address)| !address.ip().is_loopback());
    let open: Vec<String> = open.map(|(name, address)| format!("{name}={address}")).collect();
    if open.is_empty() {
        return Check::ok(ADDRESS, "the ledger listens on this machine only");
    }
    let finding =
        format!("plain TCP at {}: tokens and client ids pass unencrypted", open.join(", "));
    let mend = "set LEDGER_TLS_CERTIFICATE and LEDGER_TLS_KEY, or see that a mesh or a private network carries it, \
                and that only gateways, operators and Stripe reach it";
    Check::warn(ADDRESS, finding, mend)
}

fn certificate(tls: &TlsOptions, now_ms: u64) -> Check {
    let renew = "renew the certificate: the ledger reads new files without a restart";
    if let Err(error) = std::fs::metadata(&tls.key) {
        let finding = format!("the key {}: {error}", tls.key.display());
        return Check::fail(TLS, finding, "set LEDGER_TLS_KEY");
    }
    match ends_ms(&tls.certificate) {
        Err(why) => {
            let finding = format!("the certificate {}: {why}", tls.certificate.display());
            Check::fail(TLS, finding, "set LEDGER_TLS_CERTIFICATE")
        }
        Ok(ends) if ends <= now_ms => Check::fail(TLS, "the certificate has ended", renew),
        Ok(ends) => {
            let days = ends.saturating_sub(now_ms) / DAY_MS;
            let finding = format!("the certificate ends in {days} days");
            if days < SOON_DAYS {
                Check::warn(TLS, finding, renew)
            } else {
                Check::ok(TLS, finding)
            }
        }
    }
}

/// The last moment of the first certificate in a file of PEM, in milliseconds since 1970.
fn ends_ms(path: &Path) -> Result<u64, String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    let (_rest, pem) = x509_parser::pem::parse_x509_pem(&pem)
        .map_err(|_| "holds no certificate as PEM".to_owned())?;
    let certificate = pem.parse_x509().map_err(|error| error.to_string())?;
    let seconds = certificate.validity().not_after.timestamp();
    Ok(u64::try_from(seconds).unwrap_or_default().saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::cli::doctor::check::Status;

    #[test]
    fn a_certificate_is_judged_by_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["ledger".to_owned()]).unwrap();
        let (certificate_file, key) = (dir.path().join("tls.crt"), dir.path().join("tls.key"));
        std::fs::write(&certificate_file, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let tls = TlsOptions {
            certificate: certificate_file.clone(),
            key,
            client_ca: None,
            admin_client_ca: None,
            reload: std::time::Duration::from_secs(30),
        };
        let ends = ends_ms(&certificate_file).unwrap();
        for (now, status) in [
            (ends - 30 * DAY_MS, Status::Ok),
            (ends - 20 * DAY_MS, Status::Warn),
            (ends, Status::Fail),
        ] {
            assert_eq!(certificate(&tls, now).status, status, "{now}");
        }
        std::fs::write(&certificate_file, "rubbish").unwrap();
        assert_eq!(certificate(&tls, 0).status, Status::Fail);
        let missing = TlsOptions { key: dir.path().join("nowhere"), ..tls };
        assert!(certificate(&missing, 0).finding.contains("No such file"));
    }

    #[test]
    fn only_what_others_can_reach_needs_tls() {
        let at = |address: &str| [("LEDGER_LISTEN", address.parse().unwrap())];
        assert_eq!(without_tls(&at("127.0.0.1:8402")).status, Status::Ok);
        assert_eq!(without_tls(&at("[::1]:8402")).status, Status::Ok);
        let found = without_tls(&at("0.0.0.0:8402"));
        assert_eq!(found.status, Status::Warn);
        assert!(found.finding.contains("LEDGER_LISTEN=0.0.0.0:8402"), "{found:?}");
    }
}
