// Asks the wallets in this browser to sign, and what else the set-up's pages need beyond forms.
"use strict";
(() => {
  const says = document.getElementById("wallet-says");
  const say = (text, bad) => {
    says.textContent = text;
    says.classList.toggle("bad", Boolean(bad));
  };

  // A wallet's own words are a stranger's: only its number and a short part of its text are used, and never as markup.
  const why = (fault) => {
    const code = fault?.code;
    if (code === 4001 || code === "ACTION_REJECTED") return "You refused that in the wallet. Nothing was kept; ask it again when you like.";
    if (code === 4100) return "The wallet does not let this page ask for that. Allow it in the wallet, then try again.";
    if (code === 4900 || code === 4901) return "The wallet is not connected. Unlock it, then try again.";
    if (code === -32002) return "The wallet has a question open already. Answer it there, then try again.";
    return "The wallet did not answer as it should: " + String(fault?.message ?? fault ?? "no reason").slice(0, 200);
  };

  const ask = async (path, fields) => {
    const answer = await fetch(path, {method: "POST", headers: {Accept: "application/json"}, body: new URLSearchParams(fields), redirect: "error"});
    if (!answer.ok) throw new Error("the agent answered " + answer.status + "; reload this page");
    return answer.json();
  };

  const hex = (text) => "0x" + Array.from(new TextEncoder().encode(text), (b) => b.toString(16).padStart(2, "0")).join("");

  let busy = false;
  const sign = async (provider, address) => {
    if (busy) return;
    busy = true;
    try {
      const text = await ask("/setup/message", {address});
      if (text.error) return say(text.error, true);
      say("The wallet asks you to sign, as " + text.address + ".");
      let signature;
      try {
        signature = await provider.request({method: "personal_sign", params: [hex(text.message), text.address]});
      } catch (fault) {
        return say(why(fault), true);
      }
      say("Checking the signature.");
      const name = document.getElementById("wallet-name").value;
      const done = await ask("/setup/sign", {address: text.address, signature: String(signature), name});
      if (done.error) return say(done.error, true);
      location.assign("/setup/place");
    } catch (fault) {
      say("That did not work: " + String(fault?.message ?? fault).slice(0, 200), true);
    } finally {
      busy = false;
    }
  };

  // Of several accounts, the user chooses.
  const choose = (provider, addresses) => {
    document.getElementById("wallet-accounts")?.remove();
    const set = document.createElement("fieldset");
    set.id = "wallet-accounts";
    const legend = document.createElement("legend");
    legend.textContent = "Which account?";
    set.append(legend);
    const row = document.createElement("div");
    row.className = "actions";
    for (const address of addresses) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button mono";
      button.textContent = address;
      button.addEventListener("click", () => sign(provider, address));
      row.append(button);
    }
    set.append(row);
    document.getElementById("wallets").append(set);
    row.firstChild.focus();
    say("Choose the account that signs.");
  };

  const connect = async (provider) => {
    say("The wallet asks which account this page may see.");
    let addresses;
    try {
      addresses = await provider.request({method: "eth_requestAccounts"});
    } catch (fault) {
      return say(why(fault), true);
    }
    addresses = Array.isArray(addresses) ? addresses.filter((a) => typeof a === "string" && /^0x[0-9a-fA-F]{40}$/.test(a)).slice(0, 20) : [];
    if (addresses.length === 0) return say("The wallet shows no account. Unlock it, and let this page see one.", true);
    if (addresses.length === 1) return sign(provider, addresses[0]);
    choose(provider, addresses);
  };

  // Wallets make themselves known by EIP-6963; an old one only stands in window.ethereum.
  const known = [];
  const offer = (provider, title, icon) => {
    if (known.includes(provider) || known.length >= 20) return;
    known.push(provider);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button primary wallet";
    if (typeof icon === "string" && /^data:image\/(png|webp|gif|jpeg|svg\+xml)[;,]/.test(icon) && icon.length < 200000) {
      const image = document.createElement("img");
      image.alt = "";
      image.src = icon;
      button.append(image);
    }
    const label = document.createElement("bdi");
    label.textContent = title;
    button.append("Connect ", label);
    button.addEventListener("click", () => connect(provider));
    const list = document.getElementById("wallets");
    list.hidden = false;
    list.append(button);
    document.getElementById("no-wallet").hidden = true;
  };
  const look = () => {
    window.addEventListener("eip6963:announceProvider", (event) => {
      const provider = event.detail?.provider;
      if (typeof provider?.request === "function") offer(provider, String(event.detail.info?.name ?? "a wallet").slice(0, 60), event.detail.info?.icon);
    });
    window.dispatchEvent(new Event("eip6963:requestProvider"));
    setTimeout(() => {
      if (known.length === 0 && typeof window.ethereum?.request === "function") offer(window.ethereum, "the wallet", null);
      if (known.length === 0) document.getElementById("no-wallet").textContent = "This browser has no wallet that pages can ask. Install one, or paste a signature, below.";
    }, 300);
  };
  if (says) look();

  // While a login waits, somebody may be pasting: nothing on the page is touched before it has ended.
  const watched = document.querySelector("[data-watch]");
  const watch = async () => {
    try {
      const answer = await fetch(watched.dataset.watch, {headers: {"HX-Request-Type": "partial"}});
      const now = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (answer.ok && !now.querySelector("[data-watch]")) return location.assign(watched.dataset.watch);
    } catch {
      // The agent is away; the next look may find it.
    }
    setTimeout(watch, 700);
  };
  if (watched) setTimeout(watch, 700);

  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.textContent = "Copied";
    });
  }
  document.getElementById("wrong")?.focus();
})();
