// More devices than a page shows: the rest is behind links, with a script and without.

import assert from "node:assert/strict";
import { PASSWORD, base, check, connected, register, says, scenario } from "./harness.mjs";

await scenario(async ({ person }) => {
  const first = await person();
  await register(first, "ada");
  for (let device = 0; device < 60; device++) {
    const answer = await first.request.post(`http://${process.env.DOORWARD_ADDRESS}/api/login`, { data: { login: "ada", password: PASSWORD } });
    assert.equal(answer.status(), 200);
  }
  for (const colorScheme of ["light", "dark"]) {
    for (const javaScriptEnabled of [true, false]) {
      const page = await person({ colorScheme, javaScriptEnabled });
      await page.context().addCookies(await first.context().cookies());
      await page.goto(`${base}/dashboard`);
      if (javaScriptEnabled) await connected(page);
      const shown = page.locator("#devices > li");
      const pages = page.getByRole("navigation", { name: "Pages of devices" });
      assert.equal(await shown.count(), 50);
      assert.equal(await shown.first().getByText("this device").isVisible(), true);
      assert.equal(await page.locator("#devices-count").innerText(), "61");
      await pages.getByRole("link", { name: "Next" }).click();
      await says(page, "51 to 61 of 61");
      assert.equal(await shown.count(), 11);
      if (javaScriptEnabled) {
        await connected(page);
        assert.ok(page.url().includes("devices=2"), "a reload stays there");
      }
      if (javaScriptEnabled) await check(page, `second page of devices, ${colorScheme}`);
      const path = `${process.env.SCREENSHOTS}/devices-${colorScheme}.png`;
      if (process.env.SCREENSHOTS) await page.screenshot({ path, fullPage: true });
      await pages.getByRole("link", { name: "Previous" }).click();
      await says(page, "1 to 50 of 61");
    }
  }
});
