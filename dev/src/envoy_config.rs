//! Envoy's configuration as a value: the shipped file, with ports and paths of one's own.
//!
//! Tests run what is shipped, changed only where they must: a file written for tests would prove itself.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::certificate::Served;
use crate::{Error, Result, binary};

/// The configuration of a gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvoyConfig {
    root: Value,
}

impl EnvoyConfig {
    /// `envoy/envoy.yaml`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn shipped() -> Result<Self> {
        Self::read(&binary::workspace().join("envoy/envoy.yaml"))
    }

    /// A configuration from a file.
    ///
    /// # Errors
    /// If it cannot be read, or is not YAML.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(Error::io(format!("cannot read {}", path.display())))?;
        Self::parse(&text).map_err(|error| Error::Invalid(format!("{}: {error}", path.display())))
    }

    /// A configuration from its text.
    ///
    /// # Errors
    /// If it is not YAML.
    pub fn parse(text: &str) -> Result<Self> {
        let root =
            serde_norway::from_str(text).map_err(|error| Error::Invalid(error.to_string()))?;
        let mut config = Self { root };
        config.share();
        config.unpack();
        Ok(config)
    }

    /// As YAML.
    ///
    /// # Errors
    /// If it cannot be written as YAML.
    pub fn to_yaml(&self) -> Result<String> {
        let mut packed = self.clone();
        packed.pack();
        packed.unshare();
        serde_norway::to_string(&packed.root).map_err(|error| Error::Invalid(error.to_string()))
    }

    /// A listener with the filters of the first one (`filters: *gateway`) has them from there: a change is one of both.
    fn share(&mut self) {
        let Some(filters) = self.filters() else { return };
        for chain in self.other_chains() {
            if chain.get("filters") == Some(&filters) {
                chain.remove("filters");
            }
        }
    }

    /// And has them again on its way to Envoy.
    fn unshare(&mut self) {
        let Some(filters) = self.filters() else { return };
        for chain in self.other_chains() {
            chain.entry("filters").or_insert_with(|| filters.clone());
        }
    }

    fn filters(&self) -> Option<Value> {
        self.root.pointer("/static_resources/listeners/0/filter_chains/0/filters").cloned()
    }

    /// The first filter chain of each listener but the first.
    fn other_chains(&mut self) -> impl Iterator<Item = &mut Map<String, Value>> {
        let listeners = self.root.pointer_mut("/static_resources/listeners");
        let others = listeners.and_then(Value::as_array_mut).into_iter().flatten().skip(1);
        others.filter_map(|listener| listener.pointer_mut("/filter_chains/0")?.as_object_mut())
    }

    /// Where the filter's configuration is written as a text in the text, here it is a value like the rest.
    fn unpack(&mut self) {
        let Some(value) = self.written_as_text() else { return };
        let parsed = value.as_str().and_then(|text| serde_norway::from_str(text).ok());
        if let Some(parsed) = parsed {
            *value = parsed;
        }
    }

    /// And becomes a text again on its way to Envoy.
    fn pack(&mut self) {
        if let Some(value) = self.written_as_text() {
            *value = Value::String(value.to_string());
        }
    }

    fn written_as_text(&mut self) -> Option<&mut Value> {
        let configuration = self.wasm().ok()?.get_mut("configuration")?;
        let kind = configuration.get("@type").and_then(Value::as_str)?;
        if kind.ends_with("/google.protobuf.StringValue") {
            configuration.get_mut("value")
        } else {
            None
        }
    }

    /// All of it, to change anything.
    pub fn root(&mut self) -> &mut Value {
        &mut self.root
    }

    /// What the filter is configured with.
    ///
    /// # Errors
    /// If there is no such filter.
    pub fn filter(&mut self) -> Result<&mut Value> {
        let wasm = self.wasm()?;
        at(wasm, "/configuration/value")
    }

    /// The gateway's routes, in Envoy's own form.
    ///
    /// # Errors
    /// If the listener has none in place.
    pub fn routes(&mut self) -> Result<&mut Value> {
        at(self.connection_manager()?, "/route_config/virtual_hosts/0/routes")
    }

    /// The connection manager of the first listener.
    ///
    /// # Errors
    /// If there is none.
    pub fn connection_manager(&mut self) -> Result<&mut Value> {
        at(&mut self.root, "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config")
    }

    /// One cluster.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn cluster(&mut self, name: &str) -> Result<&mut Value> {
        let clusters = at(&mut self.root, "/static_resources/clusters")?.as_array_mut();
        named(clusters, name)
            .ok_or_else(|| Error::Invalid(format!("Envoy's configuration has no cluster {name}")))
    }

    /// Lets the gateway listen there.
    ///
    /// # Errors
    /// If there is no listener.
    pub fn listen(&mut self, address: SocketAddr) -> Result<()> {
        *at(&mut self.root, "/static_resources/listeners/0/address")? = socket(address);
        Ok(())
    }

    /// Lets the gateway listen there, too, for HTTPS: as it does without TLS, with the same filters and routes.
    ///
    /// # Errors
    /// If there is no listener.
    pub fn listen_tls(&mut self, address: SocketAddr, served: &Served) -> Result<()> {
        let listeners = at(&mut self.root, "/static_resources/listeners")?.as_array_mut();
        let none = || Error::Invalid("Envoy's configuration has no listener".to_owned());
        let shown = json!({
            "certificate_chain": {"filename": served.certificate},
            "private_key": {"filename": served.key},
        });
        let tls = json!({"name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [shown]},
        }});
        // Its filters are those of the first listener.
        listeners.ok_or_else(none)?.push(json!({
            "name": "gateway_tls",
            "address": socket(address),
            "filter_chains": [{"transport_socket": tls}],
        }));
        Ok(())
    }

    /// Lets the listener of this name listen there.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn listener(&mut self, name: &str, address: SocketAddr) -> Result<()> {
        let listeners = at(&mut self.root, "/static_resources/listeners")?.as_array_mut();
        let listener = named(listeners, name).ok_or_else(|| {
            Error::Invalid(format!("Envoy's configuration has no listener {name}"))
        })?;
        *at(listener, "/address")? = socket(address);
        Ok(())
    }

    /// Lets the admin interface listen there.
    ///
    /// # Errors
    /// If there is none.
    pub fn admin(&mut self, address: SocketAddr) -> Result<()> {
        *at(&mut self.root, "/admin/address")? = socket(address);
        Ok(())
    }

    /// Sends what goes to the cluster to these addresses.
    ///
    /// # Errors
    /// If there is no such cluster.
    pub fn endpoints(&mut self, cluster: &str, addresses: &[SocketAddr]) -> Result<()> {
        let endpoints: Vec<Value> = addresses
            .iter()
            .map(|address| json!({"endpoint": {"address": socket(*address)}}))
            .collect();
        *at(self.cluster(cluster)?, "/load_assignment/endpoints")? =
            json!([{"lb_endpoints": endpoints}]);
        Ok(())
    }

    /// Which module the filter is.
    ///
    /// # Errors
    /// If there is no such filter.
    pub fn module(&mut self, path: &Path) -> Result<()> {
        let path = path
            .to_str()
            .ok_or_else(|| Error::Invalid(format!("{} is not UTF-8", path.display())))?;
        *at(self.wasm()?, "/vm_config/code/local/filename")? = json!(path);
        Ok(())
    }

    /// Which key the challenges name.
    ///
    /// # Errors
    /// If there is no such filter.
    pub fn publishable_key(&mut self, key: &str) -> Result<()> {
        *at(self.filter()?, "/publishable_key")? = json!(key);
        Ok(())
    }

    /// Switches MPP on, with a secret from the environment and a profile of the Stripe stand-in; what the
    /// file says stays.
    ///
    /// # Errors
    /// If there is no such filter.
    pub fn mpp(&mut self, realm: &str) -> Result<()> {
        let usual = json!({"enabled": true, "realm": realm, "network_id": "profile_test_standin"});
        if let Some(filter) = self.filter()?.as_object_mut() {
            filter.entry("mpp").or_insert(usual);
        }
        let keys = at(self.wasm()?, "/vm_config/environment_variables/host_env_keys")?;
        let name = json!("MPP_SECRET");
        if let Some(keys) = keys.as_array_mut()
            && !keys.contains(&name)
        {
            keys.push(name);
        }
        Ok(())
    }

    /// Where the pages of the gateway load Stripe.js from; what the file says stays.
    ///
    /// # Errors
    /// If there is no such filter.
    pub fn stripe_js(&mut self, url: &str) -> Result<()> {
        if let Some(filter) = self.filter()?.as_object_mut() {
            let page = filter.entry("paywall").or_insert_with(|| json!({}));
            if let Some(page) = page.as_object_mut() {
                page.entry("stripe_js").or_insert_with(|| url.into());
            }
        }
        Ok(())
    }

    fn wasm(&mut self) -> Result<&mut Value> {
        let filters = at(self.connection_manager()?, "/http_filters")?.as_array_mut();
        let filter = named(filters, "stripe402").ok_or_else(|| {
            Error::Invalid("Envoy's configuration has no filter stripe402".to_owned())
        })?;
        at(filter, "/typed_config/config")
    }
}

fn at<'value>(value: &'value mut Value, pointer: &str) -> Result<&'value mut Value> {
    value
        .pointer_mut(pointer)
        .ok_or_else(|| Error::Invalid(format!("Envoy's configuration has nothing at {pointer}")))
}

fn named<'value>(list: Option<&'value mut Vec<Value>>, name: &str) -> Option<&'value mut Value> {
    list?.iter_mut().find(|item| item.get("name").and_then(Value::as_str) == Some(name))
}

fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::ports::local;

    #[test]
    fn everything_that_is_shipped_can_be_changed() {
        let mut config = EnvoyConfig::shipped().unwrap();
        config.listen(local(1)).unwrap();
        config.admin(local(2)).unwrap();
        config.endpoints("api", &[local(3)]).unwrap();
        config.endpoints("stripe402_ledger", &[local(4), local(5)]).unwrap();
        config.module(Path::new("/x/filter.wasm")).unwrap();
        config.publishable_key("pk_test_x").unwrap();
        assert!(config.routes().unwrap().is_array());
        assert!(config.filter().unwrap()["routes"].is_array());

        let yaml = config.to_yaml().unwrap();
        for shipped in ["10000", "9901", "8404", "8402", "dist/", "pk_test_standin"] {
            assert!(!yaml.contains(shipped), "{shipped} is left in\n{yaml}");
        }
        for own in [
            "port_value: 1",
            "port_value: 2",
            "port_value: 3",
            "port_value: 4",
            "port_value: 5",
            "pk_test_x",
        ] {
            assert!(yaml.contains(own), "{own} is not in\n{yaml}");
        }
        assert_eq!(EnvoyConfig::parse(&yaml).unwrap(), config);
    }

    #[test]
    fn a_filter_configured_by_a_text_is_changed_like_any_other() {
        let mut config = EnvoyConfig::shipped().unwrap();
        let filter = config.filter().unwrap().clone();
        *at(config.wasm().unwrap(), "/configuration").unwrap() =
            json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": filter});
        let yaml = config.to_yaml().unwrap();
        let mut again = EnvoyConfig::parse(&yaml).unwrap();
        assert_eq!(again, config);
        again.publishable_key("pk_test_x").unwrap();
        let mut sent: Value = serde_norway::from_str(&again.to_yaml().unwrap()).unwrap();
        let listener =
            at(&mut sent, "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config")
                .unwrap();
        let filters = at(listener, "/http_filters").unwrap().as_array_mut();
        let sent =
            at(named(filters, "stripe402").unwrap(), "/typed_config/config/configuration/value")
                .unwrap();
        assert!(sent.as_str().unwrap().contains("\"publishable_key\":\"pk_test_x\""), "{sent}");
    }

    /// What is changed without TLS is changed with it, whenever it is changed.
    #[test]
    fn a_second_listener_has_the_filters_of_the_first() {
        let file = || PathBuf::from("/x");
        let served = Served { authority: file(), certificate: file(), key: file() };
        let mut config = EnvoyConfig::shipped().unwrap();
        config.listen_tls(local(1), &served).unwrap();
        config.publishable_key("pk_test_x").unwrap();
        let mut again = EnvoyConfig::parse(&config.to_yaml().unwrap()).unwrap();
        assert_eq!(again, config);
        again.listener("gateway_tls", local(2)).unwrap();
        let sent: Value = serde_norway::from_str(&again.to_yaml().unwrap()).unwrap();
        let filters = |listener: usize| {
            let path = format!("/static_resources/listeners/{listener}/filter_chains/0/filters");
            sent.pointer(&path).unwrap().clone()
        };
        assert_eq!(filters(0), filters(1));
        assert!(filters(1).to_string().contains("pk_test_x"));
        assert!(sent.to_string().contains("\"port_value\":2"));
        let error = again.listener("nowhere", local(1)).unwrap_err().to_string();
        assert_eq!(error, "Envoy's configuration has no listener nowhere");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let mut config = EnvoyConfig::shipped().unwrap();
        let error = config.endpoints("nowhere", &[local(1)]).unwrap_err().to_string();
        assert_eq!(error, "Envoy's configuration has no cluster nowhere");
        *config.root() = json!({});
        assert!(
            config.filter().unwrap_err().to_string().contains("has nothing at /static_resources")
        );
    }
}
