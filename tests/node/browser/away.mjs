// The server cannot be reached when a form is sent: nothing is lost, and it can be sent once it is back. A browser that
// goes offline says so.

import assert from "node:assert/strict";
import { PASSWORD, base, check, register, says, scenario } from "./harness.mjs";

const AWAY = "The server can’t be reached right now.";

await scenario(async ({ person, tolerate }) => {
  const page = await person();
  await register(page, "ada");
  const other = await person();
  const name = other.getByLabel("Username or email");
  const button = other.getByRole("button", { name: "Sign in" });
  await other.goto(`${base}/login`);
  await tolerate(/Failed to load resource/, async () => {
    await other.route("**/healthz", (route) => route.abort());
    await name.fill("ada");
    await other.locator("#password").fill(PASSWORD);
    for (let attempt = 0; attempt < 2; attempt++) {
      await button.click();
      await says(other.getByRole("alert"), AWAY);
      assert.equal(await other.getByText(AWAY).count(), 1, "said once");
      assert.equal(await button.getAttribute("data-busy"), null);
      assert.equal(await button.getAttribute("aria-disabled"), null);
    }
    await check(other, "server away");
    assert.equal(other.url(), `${base}/login`);
    assert.equal(await name.inputValue(), "ada");
    assert.equal(await other.locator("#password").inputValue(), PASSWORD);
  });

  // While the answer is on its way, a second click does nothing.
  await other.unroute("**/healthz");
  let asked = 0;
  await other.route("**/healthz", async (route) => {
    asked++;
    await new Promise((resolve) => setTimeout(resolve, 500));
    await route.continue();
  });
  await button.dblclick();
  assert.equal(await button.getAttribute("data-busy"), "");
  await other.waitForURL("**/dashboard");
  assert.equal(asked, 1);

  await page.goto(`${base}/forgot-password`);
  await page.context().setOffline(true);
  await says(page, "You’re offline.");
  await check(page, "offline");
  await page.context().setOffline(false);
  await page.getByText("You’re offline.").waitFor({ state: "hidden" });
});
