// Passkeys on the pages that ask for one. The ceremony is allauth's (mfa/js/webauthn.js); here it is
// tied to the page's form, and what went wrong is said in words.
//
//   <form data-passkey="addForm|authenticateForm|loginForm"> with a hidden input named "credential"
//   <button data-passkey-start>           begins; hidden without a script
//   <p data-passkey-problem hidden>       what to do when it did not work
//   <script id="js_data" type="application/json">  what the device is asked, from the server

const form = document.querySelector("form[data-passkey]");
const start = document.querySelector("[data-passkey-start]");
const problem = document.querySelector("[data-passkey-problem]");

const SENTENCES = {
  NotAllowedError: "It was cancelled, or it took too long. Press the button to try again.",
  InvalidStateError: "This device is set up already. Use another one, or go back.",
  SecurityError: "Passkeys do not work at this address. Whoever runs this platform can say at which one they do.",
};

function tell(sentence) {
  problem.textContent = sentence;
  problem.hidden = false;
}

// A passkey belongs to a domain, and an IP address is none (WebAuthn, 5.1.2).
function byName() {
  return location.href.replace(/\/\/(127\.[\d.]+|\[::1\])/, "//localhost");
}

function able() {
  return Boolean(window.isSecureContext && window.PublicKeyCredential && navigator.credentials);
}

function tie() {
  const ids = {
    add: start.id,
    authenticate: start.id,
    login: start.id,
    credential: form.elements.credential.id,
    passwordless: form.elements.passwordless?.id,
    data: document.getElementById("js_data") ? "js_data" : undefined,
  };
  window.allauth.webauthn.forms[form.dataset.passkey]({ ids });
  start.hidden = false;
}

document.addEventListener("allauth.error", (event) => {
  event.preventDefault(); // else it goes to the console, where nobody looks
  tell(SENTENCES[event.detail.exception?.name] || "That did not work. Try again, or sign in in another way.");
});

if (form && start) {
  if (able() && byName() !== location.href) tell(`Passkeys do not work at an IP address. Open ${byName()} instead.`);
  else if (able()) tie();
  else if (form.dataset.passkey !== "loginForm") tell("This browser cannot use passkeys here: they need HTTPS and a browser of today.");
}
