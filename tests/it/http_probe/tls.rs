//! The probe with other root certificates than this machine's. They are named by the environment,
//! which a process does not change safely, so each test runs itself again in a process of its own.
//!
//! `localhost.pem` is a certificate that signs itself, valid from 2020 to 2120, with the key in
//! `localhost.key.der`; both are good for nothing but these tests.

use std::{
    env,
    io::Write,
    net::TcpStream,
    path::Path,
    process::Command,
    sync::{Arc, mpsc},
};

use perf_passport::{
    probe::{HttpSettings, HttpTarget, Pass, Probe, ProbeError},
    units::Nanos,
};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::{
    get, probe_within, send,
    server::{Server, hang, request, response},
    settings, target,
};

const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/http_probe/localhost.pem");

/// Runs `body` in a process that trusts only the certificates in this file.
fn trusting(roots: &str, test: &str, body: impl FnOnce()) {
    if env::var_os("HTTP_PROBE_TEST").is_some_and(|it| it == test) {
        return body();
    }
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", &format!("http_probe::tls::{test}"), "--nocapture"])
        .env("HTTP_PROBE_TEST", test)
        .env("SSL_CERT_FILE", roots)
        .env("SSL_CERT_DIR", "/nonexistent")
        // A proxy that is down: using it would fail.
        .env("http_proxy", "http://127.0.0.1:1")
        .env("https_proxy", "http://127.0.0.1:1")
        .env("ALL_PROXY", "http://127.0.0.1:1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// A server with the test certificate, answering by HTTP/1.1.
fn tls_server() -> (Server, mpsc::Receiver<Option<Vec<u8>>>) {
    let key = include_bytes!("localhost.key.der").as_slice();
    let key = PrivateKeyDer::Pkcs8(key.into());
    let certificate = CertificateDer::from_pem_file(Path::new(CERTIFICATE)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let (sender, protocols) = mpsc::channel();
    let server = Server::start(move |stream: TcpStream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        while request(&mut stream).is_some() {
            sender.send(stream.conn.alpn_protocol().map(<[u8]>::to_vec)).unwrap();
            stream.write_all(response("200 OK", "", "secure").as_bytes()).unwrap();
            stream.flush().unwrap();
        }
    });
    (server, protocols)
}

fn https(server: &Server, host: &str) -> HttpSettings {
    settings(&format!("https://{host}:{}", server.address.port()))
}

#[test]
fn without_root_certificates_http_is_measured_and_https_says_what_it_needs() {
    trusting(
        "/nonexistent",
        "without_root_certificates_http_is_measured_and_https_says_what_it_needs",
        || {
            let server = Server::answering(response("200 OK", "", "plain"));
            assert_eq!(send(&server).unwrap().body, b"plain");

            let target = HttpTarget::new(settings("https://localhost")).unwrap();
            let message = target.http_probe().unwrap_err().to_string();
            assert!(message.contains("SSL_CERT_FILE"), "{message}");
        },
    );
}

#[test]
fn a_certificate_is_verified() {
    trusting(CERTIFICATE, "a_certificate_is_verified", || {
        let (server, protocols) = tls_server();
        let mut probe = target(https(&server, "localhost")).http_probe().unwrap();
        for _ in 0..3 {
            assert_eq!(probe.send(&get("/"), Pass::Timed).unwrap().body, b"secure");
            assert_eq!(protocols.recv().unwrap().as_deref(), Some(&b"http/1.1"[..]));
        }
        assert_eq!(probe.connections_opened().get(), 1);

        // The certificate is for another name than this.
        let mut probe = target(https(&server, "127.0.0.1")).http_probe().unwrap();
        let error = probe.send(&get("/"), Pass::Timed).unwrap_err();
        assert!(
            matches!(&error, ProbeError::Unreachable { message, .. }
            if message.contains("certificate")),
            "{error}"
        );
    });
}

#[test]
fn certificates_of_a_file_are_trusted_besides_the_systems() {
    let test = "certificates_of_a_file_are_trusted_besides_the_systems";
    trusting("/nonexistent", test, || {
        let (server, protocols) = tls_server();
        let with = |file: &str| {
            HttpTarget::new(HttpSettings {
                ca_file: Some(file.into()),
                ..https(&server, "localhost")
            })
        };
        let mut probe = with(CERTIFICATE).unwrap().http_probe().unwrap();
        assert_eq!(probe.send(&get("/"), Pass::Timed).unwrap().body, b"secure");
        assert!(protocols.recv().unwrap().is_some());
        let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/http_probe/localhost.key.der");
        for (file, said) in [("/nonexistent", "No such file"), (key, "none in PEM form")] {
            let message = with(file).unwrap().http_probe().unwrap_err().to_string();
            assert!(message.contains(file) && message.contains(said), "{message}");
        }
    });
}

#[test]
fn https_to_a_service_without_tls_is_unreachable_and_to_a_silent_one_a_slow_connect() {
    let test = "https_to_a_service_without_tls_is_unreachable_and_to_a_silent_one_a_slow_connect";
    trusting(CERTIFICATE, test, || {
        let plain = Server::start(|mut stream| {
            stream.peek(&mut [0]).unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
            hang(stream);
        });
        let mut probe = target(https(&plain, "localhost")).http_probe().unwrap();
        let error = probe.send(&get("/"), Pass::Timed).unwrap_err();
        assert!(matches!(error, ProbeError::Unreachable { .. }), "{error}");

        let silent = Server::start(hang);
        let limit = Nanos::new(300_000_000);
        let mut probe = probe_within(https(&silent, "localhost"), limit);
        let error = probe.send(&get("/"), Pass::Timed).unwrap_err();
        assert!(
            matches!(error, ProbeError::Timeout { after, phase: "connect" } if after >= limit),
            "{error}"
        );
    });
}
