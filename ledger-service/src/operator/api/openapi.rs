//! The description of the operator API, made of the handlers themselves.

use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{actions, checks, clients, export, holds, keys, money, state, tables};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "stripe402 operator API",
        description = "Clients, money and the record of what operators did, at the ledger's operator listener. Amounts are units: 1/10,000 of a currency's major unit. Times are Unix milliseconds. Errors are `{\"error\": {\"code\", \"message\"}}`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        clients::list,
        clients::show,
        clients::movements,
        actions::freeze,
        actions::unfreeze,
        actions::adjust,
        actions::grant,
        actions::refund,
        actions::refund_plan,
        keys::list,
        keys::make,
        keys::revoke,
        keys::rotate,
        keys::stop_auto_top_up,
        money::revenue,
        money::statement,
        tables::top_ups,
        tables::transfers,
        tables::refunds,
        tables::disputes,
        export::clients,
        export::card_charges,
        export::movements,
        export::refunds,
        export::disputes,
        export::audit,
        holds::list,
        checks::verify,
        checks::reconcile,
        tables::audit,
        state::health,
    ),
    modifiers(&Bearer),
    security(("token" = []))
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("One of LEDGER_ADMIN_TOKEN"));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
    }
}

/// The document, OpenAPI 3.1.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_document_is_this_one() {
        let current = document().to_pretty_json().unwrap() + "\n";
        let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
        if std::fs::read_to_string(kept).unwrap_or_default() != current {
            let made = std::env::temp_dir().join("stripe402-openapi.json");
            std::fs::write(&made, current).unwrap();
            panic!("the API has changed: mv {} docs/openapi.json", made.display());
        }
    }
}
