// A stand-in for Stripe.js: a card element with plain fields, PaymentMethods made by the stand-in's
// API, and a dialog in place of the bank's page.
(() => {
  const base = new URL(document.currentScript.src).origin;
  const fields = [
    ["number", "Card number", "cc-number"],
    ["expiry", "MM / YY", "cc-exp"],
    ["cvc", "CVC", "cc-csc"],
  ];

  const element = () => ({
    mount(where) {
      const place = typeof where === "string" ? document.querySelector(where) : where;
      const row = place.appendChild(document.createElement("div"));
      row.style.cssText = "display:flex;gap:8px";
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

  window.Stripe = key => ({
    elements: () => ({ create: element }),
    async createPaymentMethod({ type, card }) {
      const [month, year] = card.value("expiry").split("/").map(part => part.trim());
      const body = new URLSearchParams({
        type,
        "card[number]": card.value("number").replace(/ /g, ""),
        "card[exp_month]": month,
        "card[exp_year]": year && year.length === 2 ? "20" + year : year,
        "card[cvc]": card.value("cvc"),
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
