//! `/v1/customers`. Source: docs.stripe.com/api/customers.

use crate::api::payment_methods;
use crate::context::{Answer, Context};
use crate::error::ApiError;
use crate::ids;
use crate::list::Page;
use crate::metadata::{Metadata, MetadataPatch};
use crate::objects::billing::Address;
use crate::objects::customer::Customer;
use crate::objects::payment_method::Use;
use crate::params::Params;

/// The fields that creating and updating share.
#[derive(Debug)]
struct Fields {
    /// By the field's name: what to set it to, or `None` to unset it.
    texts: Vec<(&'static str, Option<String>)>,
    address: Option<Address>,
    default_payment_method: Option<Option<String>>,
    metadata: Option<MetadataPatch>,
    preferred_locales: Option<Vec<String>>,
}

impl Fields {
    fn take(params: &mut Params, address: Option<Address>) -> Result<Self, ApiError> {
        let mut texts = Vec::new();
        for name in ["business_name", "description", "email", "individual_name", "name", "phone"] {
            if let Some(text) = params.unsettable(name)? {
                texts.push((name, text));
            }
        }
        if let Some((_, Some(email))) = texts.iter().find(|(name, _)| *name == "email")
            && !email.contains('@')
        {
            let message = format!("Invalid email address: {email}");
            return Err(ApiError::parameter("email", Some("email_invalid"), message));
        }
        let address = match params.object("address")? {
            None => None,
            Some(fields) => {
                let mut address = address.unwrap_or_default();
                address.update(fields)?;
                Some(address)
            }
        };
        let mut default_payment_method = None;
        if let Some(mut settings) = params.object("invoice_settings")? {
            default_payment_method = settings.unsettable("default_payment_method")?;
            settings.finish()?;
        }
        let metadata = params.metadata()?;
        let preferred_locales = params.list("preferred_locales")?;
        Ok(Self { texts, address, default_payment_method, metadata, preferred_locales })
    }

    fn apply(self, customer: &mut Customer) -> Result<(), ApiError> {
        for (name, text) in self.texts {
            match name {
                "business_name" => customer.business_name = text,
                "description" => customer.description = text,
                "email" => customer.email = text,
                "individual_name" => customer.individual_name = text,
                "name" => customer.name = text,
                _ => customer.phone = text,
            }
        }
        if self.address.is_some() {
            customer.address = self.address;
        }
        if let Some(id) = self.default_payment_method {
            customer.default_payment_method = id;
        }
        if let Some(locales) = self.preferred_locales {
            customer.preferred_locales = locales;
        }
        self.metadata.map_or(Ok(()), |patch| patch.apply(&mut customer.metadata))
    }
}

/// The customer that a parameter names; a deleted one is gone.
pub(crate) fn named<'a>(cx: &'a Context<'_>, id: &str) -> Result<&'a Customer, ApiError> {
    cx.world
        .customers
        .get(id)
        .filter(|customer| !customer.deleted)
        .ok_or_else(|| ApiError::no_such_param("customer", id, "customer"))
}

/// Refuses a default PaymentMethod that is not the customer's.
fn check_default(cx: &Context<'_>, fields: &Fields, customer: &str) -> Result<(), ApiError> {
    let Some(Some(id)) = &fields.default_payment_method else { return Ok(()) };
    let owner = cx.world.payment_methods.get(id).and_then(|method| method.customer.as_deref());
    if owner == Some(customer) {
        return Ok(());
    }
    let message = format!(
        "The customer does not have a payment method with the ID {id}. The payment method must be attached to the customer."
    );
    Err(ApiError::refused(Some("resource_missing"), message)
        .param("invoice_settings[default_payment_method]"))
}

/// `POST /v1/customers`
pub(crate) fn create(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let fields = Fields::take(&mut params, None)?;
    let method = params.text("payment_method")?;
    params.finish()?;

    let id = ids::new("cus");
    let mut customer = Customer {
        created: cx.now(),
        deleted: false,
        address: None,
        business_name: None,
        description: None,
        email: None,
        individual_name: None,
        invoice_prefix: ids::fingerprint(&id)
            .chars()
            .take(8)
            .collect::<String>()
            .to_ascii_uppercase(),
        default_payment_method: None,
        metadata: Metadata::new(),
        name: None,
        phone: None,
        preferred_locales: Vec::new(),
        id: id.clone(),
    };
    if method.is_none() {
        check_default(cx, &fields, &id)?;
    }
    fields.apply(&mut customer)?;
    if let Some(method) = method {
        let method = payment_methods::named(cx, &method)?;
        payment_methods::attach_to(cx, method, &id)?;
    }
    let view = customer.view();
    cx.world.customers.put(customer);
    cx.emit("customer.created", view.clone());
    Ok(view)
}

/// `GET /v1/customers/:id`; a deleted customer is answered as such.
pub(crate) fn retrieve(cx: &mut Context<'_>, id: &str, params: Params) -> Answer {
    params.finish()?;
    cx.world
        .customers
        .get(id)
        .map(Customer::view)
        .ok_or_else(|| ApiError::no_such("customer", id, "id"))
}

/// `POST /v1/customers/:id`
pub(crate) fn update(cx: &mut Context<'_>, id: &str, mut params: Params) -> Answer {
    let found = cx.world.customers.get(id).filter(|customer| !customer.deleted).cloned();
    let mut customer = found.ok_or_else(|| ApiError::no_such("customer", id, "id"))?;
    let fields = Fields::take(&mut params, customer.address.clone())?;
    params.finish()?;
    check_default(cx, &fields, id)?;
    fields.apply(&mut customer)?;
    let view = customer.view();
    cx.world.customers.put(customer);
    cx.emit("customer.updated", view.clone());
    Ok(view)
}

/// `DELETE /v1/customers/:id`: its PaymentMethods are detached.
pub(crate) fn delete(cx: &mut Context<'_>, id: &str, params: Params) -> Answer {
    params.finish()?;
    let found = cx.world.customers.get(id).filter(|customer| !customer.deleted).cloned();
    let mut customer = found.ok_or_else(|| ApiError::no_such("customer", id, "id"))?;
    let before = customer.view();
    customer.deleted = true;
    let methods: Vec<_> = cx
        .world
        .payment_methods
        .newest_first()
        .filter(|method| method.customer.as_deref() == Some(id))
        .cloned()
        .collect();
    for mut method in methods {
        method.customer = None;
        method.usage = Use::Consumed;
        cx.world.payment_methods.put(method);
    }
    let view = customer.view();
    cx.world.customers.put(customer);
    cx.emit("customer.deleted", before);
    Ok(view)
}

/// `GET /v1/customers`
pub(crate) fn list(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let email = params.text("email")?;
    let created = params.created()?;
    let page = Page::take(&mut params)?;
    params.finish()?;
    page.of(
        &cx.world.customers,
        ("/v1/customers", "customer"),
        |customer| {
            !customer.deleted
                && created.contains(customer.created)
                && email.as_ref().is_none_or(|email| customer.email.as_ref() == Some(email))
        },
        Customer::view,
    )
}
