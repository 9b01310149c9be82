//! Every gateway that is shipped reads paths in the same way: one spelling is routed, priced and served.

use serde_json::json;
use stripe402_tests::{binary, envoy_config::EnvoyConfig};

use crate::manifests::of_kind;

#[test]
fn encoded_and_doubled_slashes_are_no_other_path_anywhere() {
    for file in [
        "envoy.yaml",
        "minimal/envoy.yaml",
        "minimal/https.yaml",
        "full/envoy.yaml",
        "ecds/envoy.yaml",
    ] {
        let mut config = EnvoyConfig::read(&binary::workspace().join("envoy").join(file)).unwrap();
        let manager = config.connection_manager().unwrap();
        assert_eq!(manager["normalize_path"], json!(true), "{file}");
        assert_eq!(manager["merge_slashes"], json!(true), "{file}");
        let action = &manager["path_with_escaped_slashes_action"];
        assert_eq!(action, "UNESCAPE_AND_REDIRECT", "{file}");
    }
    let policy = of_kind("ClientTrafficPolicy").remove(0).value;
    let path = json!({"escapedSlashesAction": "UnescapeAndRedirect", "disableMergeSlashes": false});
    assert_eq!(policy["spec"]["path"], path);
    let filters = of_kind("EnvoyFilter");
    let paths = filters.iter().find(|filter| filter.file.ends_with("istio/paths.yaml")).unwrap();
    let config = &paths.value["spec"]["configPatches"][0]["patch"]["value"]["typed_config"];
    assert_eq!(config["path_with_escaped_slashes_action"], "UNESCAPE_AND_REDIRECT");
    assert_eq!((&config["normalize_path"], &config["merge_slashes"]), (&json!(true), &json!(true)));
}
