// Pages in the color of a brand: axe measures the contrast of text in light and dark, and the site's name is everywhere.

import assert from "node:assert/strict";
import { base, check, connected, register, says, scenario, server, signIn } from "./harness.mjs";

await scenario(async ({ person }) => {
  for (const colorScheme of ["light", "dark"]) {
    const page = await person({ colorScheme, reducedMotion: "reduce" });
    const look = async (name) => {
      assert.match(await page.title(), / – Harbour Chat$/);
      assert.equal(await page.getByText(/Doorward/).count(), 0, name);
      const color = await page.evaluate(() => getComputedStyle(document.documentElement).getPropertyValue("--brand"));
      await check(page, `${name}, ${color}, ${colorScheme}`);
      if (process.env.SCREENSHOTS) {
        const path = `${process.env.SCREENSHOTS}/brand-${color.slice(1)}-${name.replaceAll(" ", "-")}-${colorScheme}.png`;
        await page.screenshot({ path, fullPage: true });
      }
    };
    await page.goto(base);
    await look("home");
    await signIn(page, "nobody");
    await says(page, "Wrong username, email or password.");
    await look("login refused");
    await page.goto(`${base}/forgot-password`);
    await page.getByLabel("Username or email").fill("ada");
    await page.getByRole("main").getByRole("button").click();
    await says(page, "Check your email");
    await look("forgot sent");
    await register(page, `ada-${colorScheme}`);
    await connected(page);
    await look("account");
    await page.goto(`${base}/logout`);
    await look("logout");
    await server("advance", { seconds: 61 });
  }
});
