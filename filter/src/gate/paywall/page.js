(() => {
  const at = id => document.getElementById(id), data = document.querySelector("main").dataset;
  const read = base64 => JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(base64), c => c.charCodeAt(0))));
  const challenge = read(data.challenge), seller = read(data.seller), offer = challenge.accepts[0];
  const name = seller.seller || location.host, metered = challenge.pricing?.kind === "upto";
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;

  const all = JSON.parse(at("texts").textContent);
  const locale = (navigator.languages || []).find(tag => all[tag.slice(0, 2)]) || "en", language = locale.slice(0, 2);
  const words = (key, values = {}) => all[language][key].replace(/\{(\w+)\}/g, (_, value) => values[value]);
  const money = units => new Intl.NumberFormat(locale, { style: "currency", currency: offer.currency.toUpperCase(), maximumFractionDigits: 4 }).format(units / 10000);
  const minutes = count => new Intl.NumberFormat(locale, { style: "unit", unit: "minute", unitDisplay: "long" }).format(count);

  // What outlives this page: the client id, and a payment whose outcome is not known yet.
  const CLIENT = "stripe402:client", ATTEMPT = "stripe402:attempt", ATTEMPT_LASTS_MS = 24 * 3600000;
  const recall = (storage, key) => { try { return window[storage].getItem(key) } catch { return null } };
  const keep = (storage, key, value) => {
    try { value === null ? window[storage].removeItem(key) : window[storage].setItem(key, value) } catch { }
  };
  const attempted = () => {
    const kept = JSON.parse(recall("sessionStorage", ATTEMPT) || "null");
    return kept && Date.now() - kept.at < ATTEMPT_LASTS_MS ? kept.payment : null;
  };
  const forgetAttempt = () => keep("sessionStorage", ATTEMPT, null);

  const say = (problem = "") => { at("said").textContent = problem };
  let long;
  const busy = on => {
    document.querySelectorAll("button").forEach(button => { button.disabled = on });
    clearTimeout(long);
    at("progress").textContent = on ? words("working") : "";
    if (on) long = setTimeout(() => { at("progress").textContent = words("long") }, 8000);
  };
  let stripe, elements;

  document.documentElement.lang = language;
  document.title = words("title");
  at("what").textContent = challenge.resource.description || words("what");
  at("by").textContent = words("by", { seller: name });
  at("test").textContent = words("test");
  at("test").hidden = !offer.publishableKey.startsWith("pk_test_");
  at("sold").hidden = at("offer").hidden = false;
  at("price").textContent = money(challenge.price);
  at("per").textContent = words(metered ? "per_most" : "per");
  at("forget").textContent = words("other");
  const free = Math.floor((challenge.trial?.units || 0) / challenge.price);
  at("trial").hidden = free < 1;
  at("trial").textContent = words(free > 1 ? "free" : "free_one", { count: free });
  if (seller.logo) {
    at("logo").onload = () => { at("logo").hidden = false };
    at("logo").src = seller.logo;
  }
  for (const kind of ["support", "terms", "privacy"]) {
    if (!seller[kind]) continue;
    const link = at("links").appendChild(document.createElement("a"));
    link.href = seller[kind]; link.textContent = words(kind === "terms" ? "terms_link" : kind); at("links").hidden = false;
  }
  if (seller.accent) {
    const light = [1, 3, 5].map(from => parseInt(seller.accent.slice(from, from + 2), 16) / 255)
      .map(part => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4)
      .reduce((sum, part, of) => sum + part * [.2126, .7152, .0722][of], 0);
    document.documentElement.style.setProperty("--accent", seller.accent);
    document.documentElement.style.setProperty("--on-accent", light > .18 ? "#0d1220" : "#fff");
  }

  // Above what was bought: what it cost, what is left, and by which charge.
  const bar = (receipt, payment) => {
    const host = document.createElement("div"), root = host.attachShadow({ mode: "open" });
    host.id = "stripe402-receipt";
    const line = root.appendChild(document.createElement("div"));
    line.setAttribute("role", "status");
    line.style.cssText = "padding:8px 16px;background:#16202c;color:#fff;font:14px/1.5 system-ui,sans-serif;overflow-wrap:anywhere";
    const parts = receipt ? [words(metered ? "paid_most" : "paid", { amount: money(challenge.price) }), words("rest", { amount: money(receipt.creditsRemaining) })] : [words("not_charged")];
    if (receipt?.chargeId) parts.push(words("charged", { amount: money(payment.topUpAmount), id: receipt.chargeId }));
    line.textContent = parts.join(" · ");
    return host;
  };

  const show = async (answer, above) => {
    const type = answer.headers.get("content-type") || "";
    if (type.startsWith("text/html")) {
      const page = await answer.text();
      document.open(); document.write(page); document.close();
      document.body.prepend(above);
      return;
    }
    const main = document.createElement("main");
    main.id = "paid"; main.tabIndex = -1;
    main.appendChild(above);
    if (type.includes("json") || type.startsWith("text/")) {
      let body = await answer.text();
      try { if (type.includes("json")) body = JSON.stringify(JSON.parse(body), null, 2) } catch { }
      main.appendChild(document.createElement("pre")).textContent = body;
    } else {
      const address = URL.createObjectURL(await answer.blob());
      const kind = type.split("/")[0], tag = { image: "img", audio: "audio", video: "video" }[kind];
      const shown = main.appendChild(document.createElement(tag || "a"));
      if (tag) { shown.src = address; shown.controls = true }
      else { shown.href = address; shown.download = ""; shown.textContent = words("save") }
    }
    document.querySelector("main").replaceWith(main);
    main.focus();
  };

  // Nothing here tells a good card from a bad one but by yes and no.
  const refused = (said, answer) => {
    const after = Math.ceil((Number(answer.headers.get("retry-after")) || 60) / 60);
    if (said.reason === "rate_limited") return words("wait", { time: minutes(after) });
    if (said.reason === "frozen") return words("frozen", { seller: name });
    if (said.reason === "debt" && said.amountOwed) return words("debt", { amount: money(said.amountOwed), seller: name });
    return words(said.errorCode === "card_declined" ? "declined" : "failed");
  };

  // Asks again with a payment, for the price that was shown, and here only; asks the cardholder's bank where that is wanted.
  const ask = async payment => {
    const header = btoa(JSON.stringify({ stripe402Version: 1, maxPrice: challenge.price, ...payment }));
    const answer = await fetch(location.href, { headers: { payment: header, accept: "*/*" }, cache: "no-store", mode: "same-origin" }).catch(() => null);
    const encoded = answer?.headers.get("payment-response"), receipt = encoded ? read(encoded) : null;
    if (receipt) keep("localStorage", CLIENT, receipt.clientId);
    const said = answer && !receipt && (answer.status === 402 || answer.status === 503) ? await answer.clone().json().catch(() => ({})) : {};
    if (!answer || said.error?.code === "ledger_unavailable") {
      if (payment.paymentMethodId) return resume(payment);
      throw new Error(words("failed"));
    }
    if (said.reason === "authentication_required" && said.clientSecret) {
      const setup = said.clientSecret.startsWith("seti_");
      const done = await (setup ? stripe.confirmCardSetup(said.clientSecret) : stripe.confirmCardPayment(said.clientSecret));
      if (done.error) { forgetAttempt(); throw new Error(done.error.message) }
      return ask(setup ? payment : { ...payment, paymentIntentId: said.paymentIntentId });
    }
    forgetAttempt();
    if (answer.status !== 402) return show(answer, bar(receipt, payment));
    if (said.error === "insufficient_credits") { withCard(); throw new Error(words("used")) }
    throw new Error(refused(said, answer));
  };

  // The same payment again: under its key a card is charged once, however often it is asked for.
  const pay = payment => {
    keep("sessionStorage", ATTEMPT, JSON.stringify({ payment, at: Date.now() }));
    return ask(payment);
  };
  let next;
  const offerTo = (line, button, work) => {
    at("left").textContent = line; at("spend").textContent = button;
    at("kept").hidden = false; at("pay").hidden = true;
    next = work;
  };
  const resume = payment => {
    offerTo(words("unsure"), words("finish"), () => pay(payment));
    busy(false);
    at("spend").focus();
  };

  const tried = work => async event => {
    event.preventDefault(); say();
    const focus = document.activeElement;
    busy(true);
    try { await work() } catch (problem) { busy(false); say(problem.message); (focus?.isConnected && focus.offsetParent ? focus : at("buy")).focus() }
  };

  const withCard = () => {
    at("kept").hidden = true; at("pay").hidden = false;
    const amount = money(challenge.minTopUp), count = Math.floor(challenge.minTopUp / challenge.price);
    at("buy").textContent = free > 0 ? words("continue") : words(count > 1 && !metered ? "add" : "add_one", { amount, count: new Intl.NumberFormat(locale).format(count) });
    at("terms").textContent = words(free > 0 ? "terms_trial" : "terms", { amount });
    if (elements) return;
    if (!stripe) return say(words("blocked", { host: new URL(data.stripe).host }));
    const accent = getComputedStyle(document.documentElement).getPropertyValue("--accent").trim();
    elements = stripe.elements({
      mode: "payment", amount: Number(data.minor), currency: offer.currency, setupFutureUsage: "off_session",
      paymentMethodCreation: "manual", paymentMethodTypes: ["card"],
      appearance: { theme: dark ? "night" : "stripe", variables: { colorPrimary: accent } },
    });
    elements.create("payment").mount("#card");
    at("buy").disabled = false;
  };

  at("pay").addEventListener("submit", tried(async () => {
    const complete = await elements.submit();
    if (complete.error) throw new Error(complete.error.message);
    const made = await stripe.createPaymentMethod({ elements });
    if (made.error) throw new Error(made.error.message);
    const idempotencyKey = Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, "0")).join("");
    await pay({ paymentMethodId: made.paymentMethod.id, topUpAmount: challenge.minTopUp, idempotencyKey });
  }));
  at("kept").addEventListener("submit", tried(() => next()));
  at("forget").addEventListener("click", () => { keep("localStorage", CLIENT, null); forgetAttempt(); say(); withCard() });

  const start = async () => {
    if (window.Stripe) stripe = Stripe(offer.publishableKey, { locale: language });
    const open = attempted();
    if (open) return resume(open);
    const client = recall("localStorage", CLIENT);
    if (client && data.balance) {
      const header = btoa(JSON.stringify({ clientId: client }));
      const answer = await fetch(data.balance, { headers: { payment: header } }).catch(() => null);
      const found = answer?.ok ? await answer.json().catch(() => null) : null;
      if (found && found.currency === offer.currency && found.creditsRemaining >= challenge.price) {
        return offerTo(words("left", { amount: money(found.creditsRemaining) }),
          words(metered ? "spend_most" : "spend", { price: money(challenge.price) }), () => ask({ clientId: client }));
      }
    }
    withCard();
  };
  const script = document.createElement("script");
  script.src = data.stripe;
  script.onload = script.onerror = start;
  document.head.append(script);
})();
