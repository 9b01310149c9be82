// A stand-in for Stripe.js: a Payment Element with plain fields for a card, PaymentMethods made by the
// stand-in's API, and a dialog in place of the bank's page. What Stripe.js refuses it refuses.
// Source: docs.stripe.com/js/elements_object/create_without_intent, docs.stripe.com/payments/finalize-payments-on-the-server.
(() => {
  const base = new URL(document.currentScript.src).origin;
  const fields = [
    ["number", "Card number", "cc-number"],
    ["expiry", "MM / YY", "cc-exp"],
    ["cvc", "CVC", "cc-csc"],
  ];

  const wrong = text => { throw new Error("IntegrationError: " + text) };
  const OPTIONS = ["mode", "amount", "currency", "setupFutureUsage", "paymentMethodCreation", "paymentMethodTypes", "appearance"];

  const checked = options => {
    for (const name of Object.keys(options)) if (!OPTIONS.includes(name)) wrong("unknown option " + name);
    const { mode, amount, currency, paymentMethodCreation, appearance } = options;
    if (mode !== "payment") wrong("mode must be payment, setup or subscription");
    if (!Number.isInteger(amount) || amount < 1) wrong("amount must be a positive integer in the smallest currency unit");
    if (!/^[a-z]{3}$/.test(currency || "")) wrong("currency must be a lowercase three-letter code");
    if (!["stripe", "night", "flat"].includes(appearance?.theme || "stripe")) wrong("no such theme");
    if (paymentMethodCreation !== "manual") wrong("createPaymentMethod needs paymentMethodCreation: manual");
    return options;
  };

  const group = options => {
    const own = { options: checked(options), submitted: false };
    own.create = type => type === "payment" ? own.element = element(options) : wrong("no element " + type);
    own.submit = async () => {
      const missing = fields.find(([name]) => !own.element.value(name));
      own.submitted = !missing;
      return missing ? { error: { type: "validation_error", message: `Your ${missing[1].toLowerCase()} is incomplete.` } } : {};
    };
    return own;
  };

  const element = options => ({
    mount(where) {
      const place = typeof where === "string" ? document.querySelector(where) : where;
      const row = place.appendChild(document.createElement("div"));
      const night = options.appearance?.theme === "night";
      row.style.cssText = "display:flex;gap:8px;padding:12px;border-radius:8px;border:1px solid "
        + (night ? "#39434f;background:#30313d;color:#fff" : "#d9dfe6;background:#fff;color:#16202c");
      for (const [name, label, complete] of fields) {
        const input = row.appendChild(document.createElement("input"));
        Object.assign(input, { name, placeholder: label, autocomplete: complete, inputMode: "numeric" });
        input.setAttribute("aria-label", label);
        input.style.cssText = "border:0;outline:0;font:inherit;color:inherit;background:none;padding:0;min-width:0;flex:"
          + (name === "number" ? "1 1 auto" : "0 0 " + (name === "cvc" ? "3em" : "5em"));
      }
      this.value = name => row.querySelector(`[name=${name}]`).value.trim();
    },
  });

  const dialog = () => new Promise(resolve => {
    const shown = document.body.appendChild(document.createElement("dialog"));
    shown.innerHTML = "<p>Your bank asks: is it you who pays?</p><button id=stripe-confirm>Yes</button> <button id=stripe-fail>No</button>";
    shown.addEventListener("click", event => {
      if (event.target.tagName !== "BUTTON") return;
      shown.remove();
      resolve(event.target.id === "stripe-confirm");
    });
    shown.showModal();
  });

  const confirm = kind => async secret => {
    const outcome = await dialog() ? "succeed" : "fail";
    const body = JSON.stringify({ [kind]: secret.split("_secret_")[0], outcome });
    const answer = await fetch(`${base}/v3/authenticate`, { method: "POST", body });
    const said = await answer.json();
    if (said.error) return { error: said.error };
    return outcome === "fail" ? { error: { message: "We are unable to authenticate your payment method." } } : { [kind]: said };
  };

  window.Stripe = (key, { locale = "auto" } = {}) => ({
    locale,
    elements: group,
    async createPaymentMethod({ elements }) {
      if (!elements.submitted) wrong("elements.submit() must be called before stripe.createPaymentMethod()");
      const value = elements.element.value, [month, year] = value("expiry").split("/").map(part => part.trim());
      const body = new URLSearchParams({
        type: "card",
        "card[number]": value("number").replace(/ /g, ""),
        "card[exp_month]": month,
        "card[exp_year]": year && year.length === 2 ? "20" + year : year,
        "card[cvc]": value("cvc"),
      });
      const headers = { authorization: "Bearer " + key };
      const answer = await fetch(`${base}/v1/payment_methods`, { method: "POST", headers, body });
      const said = await answer.json();
      return said.error ? { error: said.error } : { paymentMethod: said };
    },
    confirmCardPayment: confirm("payment_intent"),
    confirmCardSetup: confirm("setup_intent"),
  });
})();
