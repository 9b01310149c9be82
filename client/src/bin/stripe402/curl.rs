//! `stripe402 curl`.

use std::{
    fs::File,
    io::{Read as _, Write},
    time::Duration,
};

use reqwest::{
    Body, Method, Response,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Map, Value, json};
use stripe402_client::{Paid, Settlement, Wallet, WalletError, paid};
use stripe402_protocol::Currency;

use crate::{arguments::CurlArgs, exit::Exit, show};

pub(crate) async fn curl(arguments: CurlArgs) -> Result<u8, Exit> {
    let (body, kind, method) = body(&arguments)?;
    let mut headers = headers(&arguments.headers)?;
    if let Some(kind) = kind
        && !headers.contains_key(CONTENT_TYPE)
    {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    let CurlArgs { url, output, include, silent, fail, paying, network, common, .. } = arguments;
    let policy = paying.policy()?;
    let currency = policy.currency;
    let wallet = common.wallet(policy)?.redirects(if arguments.location { 10 } else { 0 });
    let mut builder = network.builder()?;
    if let Some(seconds) = arguments.max_time {
        builder = builder.timeout(Duration::from_secs(seconds));
    }
    let client = wallet.client(builder).map_err(|error| Exit::local(error.to_string()))?;
    let mut request = client.request(method, url).headers(headers);
    if let Some(body) = body {
        request = request.body(body);
    }
    let response = request.send().await?;
    let status = response.status().as_u16();
    let paid = paid(&response).cloned();
    if common.json {
        as_json(&wallet, response, paid.as_ref(), currency).await?;
    } else {
        let shown = paid.as_ref().filter(|_| !silent);
        if let Some(paid) = shown.filter(|paid| paid.hold.is_none()) {
            show::receipt(paid, currency);
        }
        match output {
            Some(path) => {
                let file = File::create(&path);
                let name = path.display();
                copy(
                    response,
                    include,
                    file.map_err(|error| Exit::local(format!("{name}: {error}")))?,
                )
                .await?;
            }
            None => copy(response, include, std::io::stdout()).await?,
        }
        // Settled in silence, too: what is left is remembered.
        if let Some(told) = settled(&wallet, paid.as_ref()).await
            && let Some(paid) = shown
        {
            show::settlement(paid, currency, &told.map_err(Exit::from));
        }
    }
    Ok(if fail && status >= 400 { 22 } else { 0 })
}

/// What became of the hold, if there is one; the answer's body must have been read.
async fn settled(wallet: &Wallet, paid: Option<&Paid>) -> Option<Result<Settlement, WalletError>> {
    Some(wallet.settle(paid?.hold.as_ref()?).await)
}

type Sent = (Option<Body>, Option<&'static str>, Method);

/// The body, what it is called, and the method that goes with it.
fn body(arguments: &CurlArgs) -> Result<Sent, Exit> {
    const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
    let (body, kind, usual) = if let Some(file) = arguments.upload_file.as_deref() {
        let body = if file == "-" {
            Body::wrap_stream(tokio_util::io::ReaderStream::new(tokio::io::stdin()))
        } else {
            Body::from(read(file)?)
        };
        (Some(body), None, Method::PUT)
    } else if let Some(data) = arguments.data_binary.as_deref() {
        let bytes = match data.strip_prefix('@') {
            Some(file) => read(file)?,
            None => data.as_bytes().to_vec(),
        };
        (Some(Body::from(bytes)), FORM, Method::POST)
    } else if arguments.data.is_empty() {
        let method = if arguments.head { Method::HEAD } else { Method::GET };
        (None, None, method)
    } else {
        let mut joined = Vec::new();
        for data in &arguments.data {
            if !joined.is_empty() {
                joined.push(b'&');
            }
            match data.strip_prefix('@') {
                Some(file) => {
                    joined.extend(read(file)?.into_iter().filter(|byte| !b"\r\n\0".contains(byte)));
                }
                None => joined.extend_from_slice(data.as_bytes()),
            }
        }
        (Some(Body::from(joined)), FORM, Method::POST)
    };
    Ok((body, kind, arguments.request.clone().unwrap_or(usual)))
}

/// A file, or the standard input.
fn read(file: &str) -> Result<Vec<u8>, Exit> {
    let mut bytes = Vec::new();
    let read = if file == "-" {
        std::io::stdin().read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|error| Exit::local(format!("{file}: {error}")))?;
    Ok(bytes)
}

pub(crate) fn headers(lines: &[String]) -> Result<HeaderMap, Exit> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let wrong = || Exit::usage(format!("-H {line:?} is not NAME: VALUE"));
        let (name, value) = line.split_once(':').ok_or_else(wrong)?;
        let name: HeaderName = name.trim().parse().map_err(|_| wrong())?;
        if name == stripe402_protocol::PAYMENT {
            let text =
                "the payment header is this program's part: use --payment-method or --client-id";
            return Err(Exit::usage(text.to_owned()));
        }
        headers.append(name, value.trim().parse().map_err(|_| wrong())?);
    }
    Ok(headers)
}

async fn copy(mut response: Response, include: bool, mut out: impl Write) -> Result<(), Exit> {
    let broken = |error: std::io::Error| Exit::local(error.to_string());
    if include {
        let status = response.status();
        let reason = status.canonical_reason().unwrap_or_default();
        let head = format!("{:?} {} {reason}\r\n", response.version(), status.as_u16());
        out.write_all(head.as_bytes()).map_err(broken)?;
        for (name, value) in response.headers() {
            let line = [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat();
            out.write_all(&line).map_err(broken)?;
        }
        out.write_all(b"\r\n").map_err(broken)?;
    }
    while let Some(chunk) =
        response.chunk().await.map_err(|error| Exit::local(error.to_string()))?
    {
        out.write_all(&chunk).map_err(broken)?;
    }
    out.flush().map_err(broken)
}

/// The status, the headers, the body as text, and what was paid.
async fn as_json(
    wallet: &Wallet,
    response: Response,
    paid: Option<&Paid>,
    currency: Currency,
) -> Result<(), Exit> {
    let status = response.status().as_u16();
    let headers: Map<String, Value> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    let body = response.text().await.map_err(|error| Exit::local(error.to_string()))?;
    let mut told = json!(paid);
    if let Some(fields) = told.as_object_mut() {
        fields.insert("currency".to_owned(), json!(currency));
        match settled(wallet, paid).await {
            Some(Ok(settlement)) => fields.insert("settlement".to_owned(), json!(settlement)),
            Some(Err(error)) => {
                fields.insert("settlementError".to_owned(), Exit::from(error).error)
            }
            None => None,
        };
    }
    show::json(&json!({"status": status, "headers": headers, "body": body, "paid": told}));
    show::flush();
    Ok(())
}
