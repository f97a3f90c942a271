/** Signing in with a token, and signing out. The token goes to the console once and is kept nowhere in the page. */

const signin = document.getElementById("signin");
if (signin instanceof HTMLFormElement) {
  signin.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = document.getElementById("signin-problem");
    const field = signin.elements.namedItem("token");
    const button = signin.querySelector("button");
    problem.hidden = true;
    button.disabled = true;
    try {
      const answer = await send("/auth/session", { token: field.value.trim() });
      if (answer.ok) {
        await answer.text(); // read to its end, else the browser takes the request for given up
        field.value = "";
        window.location.replace(signin.dataset.next);
        return;
      }
      const told = await answer.json();
      problem.textContent = told.detail;
    } catch {
      problem.textContent = "The console does not answer. Look whether it runs, then try again.";
    }
    problem.hidden = false;
    button.disabled = false;
    field.focus();
  });
}

for (const button of document.querySelectorAll("[data-signout]")) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await (await send("/auth/signout", null)).text();
    } finally {
      window.location.assign("/signin");
    }
  });
}

function send(path, body) {
  const headers = { Accept: "application/json" };
  if (body !== null) headers["Content-Type"] = "application/json";
  return fetch(path, { method: "POST", headers, body: body === null ? undefined : JSON.stringify(body) });
}
