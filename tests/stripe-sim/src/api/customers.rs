//! `/v1/customers`. Source: docs.stripe.com/api/customers.

use crate::context::{Answer, Context};
use crate::error::ApiError;
use crate::ids;
use crate::list::Page;
use crate::objects::customer::Customer;
use crate::objects::payment_method::Use;
use crate::params::Params;

/// What Stripe takes for a customer besides.
const BESIDES: &[&str] = &[
    "address",
    "balance",
    "business_name",
    "cash_balance",
    "email",
    "individual_name",
    "invoice_prefix",
    "invoice_settings",
    "next_invoice_sequence",
    "payment_method",
    "phone",
    "preferred_locales",
    "shipping",
    "source",
    "tax",
    "tax_exempt",
    "tax_id_data",
    "test_clock",
    "validate",
];

/// Refuses a parameter that names no customer, or a deleted one.
pub(crate) fn check_named(cx: &Context<'_>, id: &str) -> Result<(), ApiError> {
    let found = cx.world.customers.get(id).filter(|customer| !customer.deleted);
    found.map(drop).ok_or_else(|| ApiError::no_such_param("customer", id, "customer"))
}

/// `POST /v1/customers`
pub(crate) fn create(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let description = params.unsettable("description")?.flatten();
    let name = params.unsettable("name")?.flatten();
    let metadata = params.metadata()?;
    params.finish(BESIDES)?;

    let customer = Customer {
        id: ids::new("cus"),
        created: cx.now(),
        deleted: false,
        description,
        metadata,
        name,
    };
    let view = customer.view();
    cx.world.customers.put(customer);
    cx.emit("customer.created", view.clone());
    Ok(view)
}

/// `GET /v1/customers/:id`; a deleted customer is answered as such.
pub(crate) fn retrieve(cx: &mut Context<'_>, id: &str, params: Params) -> Answer {
    params.finish(&[])?;
    let found = cx.world.customers.get(id).map(Customer::view);
    found.ok_or_else(|| ApiError::no_such("customer", id, "id"))
}

/// `DELETE /v1/customers/:id`: its PaymentMethods are detached.
pub(crate) fn delete(cx: &mut Context<'_>, id: &str, params: Params) -> Answer {
    params.finish(&[])?;
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
    let page = Page::take(&mut params)?;
    params.finish(&["created", "email", "test_clock"])?;
    let there = |customer: &Customer| !customer.deleted;
    page.of(&cx.world.customers, ("/v1/customers", "customer"), there, Customer::view)
}
