// More devices than are shown at first: the rest is behind a link, with a script and without.

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
      const shown = page.locator("#devices-list > li");
      const look = async (name) => {
        if (javaScriptEnabled) await check(page, `${name}, ${colorScheme}`);
        const path = `${process.env.SCREENSHOTS}/${name.replaceAll(" ", "-")}-${colorScheme}.png`;
        if (process.env.SCREENSHOTS) await page.screenshot({ path, fullPage: true });
      };
      const open = async () => {
        if (javaScriptEnabled) await connected(page);
        assert.equal(await page.locator("#devices-count").innerText(), "61");
      };
      await page.goto(`${base}/dashboard`);
      await open();
      assert.equal(await shown.count(), 10);
      assert.equal(await shown.first().getByText("This device").isVisible(), true);
      assert.equal(await page.getByRole("link", { name: "Next" }).count(), 0);
      await look("first devices");
      await page.getByRole("link", { name: "Show all 61" }).click();
      await says(page, "1 to 50 of 61");
      await open();
      assert.equal(await shown.count(), 50);
      assert.equal(await page.locator("#devices").getByRole("link", { name: "Show all" }).count(), 0);
      await page.getByRole("link", { name: "Next" }).click();
      await says(page, "51 to 61 of 61");
      assert.equal(await shown.count(), 11);
      await open();
      if (javaScriptEnabled) assert.ok(page.url().includes("devices=2"), "a reload stays there");
      await look("second page of devices");
      await page.getByRole("link", { name: "Previous" }).click();
      await says(page, "1 to 50 of 61");
    }
  }
});
