use super::*;

const GOOD: &str = "token = '0123456789abcdef'\nserver_secret = '0123456789abcdef'\n\
    stripe_secret_key = 'sk_test_x'\n";

fn resolve(toml: &str) -> Result<Config, ConfigError> {
    let file: Settings =
        toml::from_str(toml).map_err(|error| ConfigError::new("config", error.to_string()))?;
    Config::try_from(file)
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        ("", "token"),
        ("token = 'short'", "token"),
        ("token = '0123456789abcdef'", "server_secret"),
        (&GOOD.replacen("cdef'", "cdef,short'", 1), "token"),
        (&format!("{GOOD}store = 'mysql://x'"), "config"),
        (&format!("{GOOD}liisten = '127.0.0.1:1'"), "config"),
        (&format!("{GOOD}stripe_timeout = '5 bananas'"), "config"),
        (&format!("{GOOD}charge_memory = '1h'"), "charge_memory"),
        (&format!("{GOOD}payment_deadline = '0s'"), "payment_deadline"),
        (&format!("{GOOD}backup = 'stripe402.redb'"), "backup"),
        (&format!("{GOOD}backup = 'copy'\nstore = 'redis://127.0.0.1:6379'"), "backup"),
        (&format!("{GOOD}backup_every = '0s'"), "backup_every"),
        (&format!("{GOOD}max_body = 0"), "max_body"),
        (&format!("{GOOD}redis_wait_timeout = '0s'"), "redis_wait_timeout"),
        (&format!("{GOOD}redis_wait_timeout = '1s'"), "redis_wait_timeout"),
        (&format!("{GOOD}redis_wait_timeout = '2s'\nstore_timeout = '2s'"), "redis_wait_timeout"),
        (&format!("{GOOD}tls_certificate = 'a'"), "tls_key"),
        (&format!("{GOOD}tls_key = 'a'"), "tls_certificate"),
        (&format!("{GOOD}tls_client_ca = 'a'"), "tls_certificate"),
        (&format!("{GOOD}admin_tls_client_ca = 'a'"), "tls_certificate"),
        (&format!("{GOOD}tls_certificate = 'a'\ntls_key = 'a'\ntls_reload = '0s'"), "tls_reload"),
        (&format!("{GOOD}header_timeout = '0s'"), "header_timeout"),
        (&format!("{GOOD}max_connections = 0"), "max_connections"),
        (&format!("{GOOD}request_timeout = '20s'"), "request_timeout"),
        (&format!("{GOOD}admin_token = 'short'"), "admin_token"),
        (&format!("{GOOD}admin_token = 'a b:0123456789abcdef'"), "admin_token"),
        (&format!("{GOOD}admin_token = 'cli:0123456789abcdef'"), "admin_token"),
        (&format!("{GOOD}admin_token = 'a:0123456789abcdef,b:'"), "admin_token"),
        (&format!("{GOOD}stripe_api_base = 'localhost'"), "stripe_api_base"),
        (&GOOD.replace("sk_test_x", "pk_test_x"), "stripe_secret_key"),
        (
            &GOOD.replace("secret = '0123456789abcdef'", "secret = '0123456789abcdef,x'"),
            "server_secret",
        ),
    ];
    for (toml, setting) in cases {
        assert_eq!(resolve(toml).unwrap_err().setting, setting, "{toml}");
    }
}

#[test]
fn the_name_of_the_command_line_is_reserved_and_the_error_says_so() {
    let problem = |name: &str| {
        resolve(&format!("{GOOD}admin_token = '{name}:0123456789abcdef'")).unwrap_err().problem
    };
    assert!(problem("cli").contains("cli is reserved"), "{}", problem("cli"));
    assert!(problem("a b").contains("letters, digits"), "{}", problem("a b"));
}

#[test]
fn secrets_do_not_print() {
    let shown = format!("{:?}", resolve(GOOD).unwrap());
    assert!(!shown.contains("0123456789abcdef") && !shown.contains("sk_test_x"), "{shown}");
}

#[test]
fn a_file_that_is_wrong_is_named_by_line_and_its_secrets_stay_in_it() {
    for (text, problem) in [
        ("log = 'info'\ntoken = \"hunter2", "line 2: "),
        ("server_secret = 4711", "line 1: a value of the wrong type"),
        ("tokn = 'hunter2'", "line 1: unknown field `tokn`"),
    ] {
        let error = toml::from_str::<Settings>(text).unwrap_err();
        let said = toml_problem(Path::new("x.toml"), text, &error);
        assert!(said.contains(problem), "{said}");
        assert!(!said.contains("hunter2") && !said.contains("4711"), "{said}");
    }
}

#[test]
fn flags_win_over_the_file() {
    let flag = Settings { log: Some("debug".into()), ..Settings::default() };
    let file: Settings = toml::from_str("log = 'warn'\nmax_body = 7").unwrap();
    let both = flag.or(file);
    assert_eq!((both.log.as_deref(), both.max_body), (Some("debug"), Some(7)));
}

mod documented;
