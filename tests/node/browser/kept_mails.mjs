// The kept emails, as a developer who tries Doorward sees them.

import assert from "node:assert/strict";
import { base, check, register, says, scenario, server } from "./harness.mjs";

await scenario(async ({ person }) => {
  const page = await person();
  await page.goto(`${base}/dev/mail`);
  await says(page, "No emails yet");
  await check(page, "no kept mails");
  await register(page, "ada", "ada@example.org");
  await server("advance", { seconds: 1 });
  await page.goto(`${base}/forgot-password`);
  await page.getByLabel("Username or email").fill("ada");
  await page.getByRole("button", { name: "Send reset link" }).click();
  await page.getByRole("main").getByRole("link", { name: "development mailbox" }).click();
  // A reload must not overtake it.
  await page.waitForURL("**/dev/mail");
  // The mailer works beside the request.
  while ((await page.locator("details.mail").count()) < 2) await page.reload();

  // The newest first, and open.
  const newest = page.locator("details.mail").first();
  await says(newest, "Reset your localhost password");
  const text = newest.getByRole("region", { name: "Text" });
  const html = newest.frameLocator("iframe");
  await html.getByText("Hello,").waitFor();
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [375, 1280]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await check(page, `kept mails, ${colorScheme}, ${width} px`);
    }
  }
  const link = await text.getByRole("link").getAttribute("href");
  assert.equal(await html.getByRole("link", { name: "Set a new password" }).getAttribute("href"), link);

  // A link of the HTML leads out of its frame, to a page that works.
  const popup = page.context().waitForEvent("page");
  let opened = false;
  popup.then(() => (opened = true));
  // The frame may be laid out anew while a click is under way, which then meets nothing.
  while (!opened) {
    await html.getByRole("link", { name: "Set a new password" }).click();
    await Promise.race([popup, page.waitForTimeout(1000)]);
  }
  await says(await popup, "You’ll be signed out on every device.");
  await text.getByRole("link").click();
  await says(page, "You’ll be signed out on every device.");
});
