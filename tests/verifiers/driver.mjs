// Gives each line of standard input to a verifier of examples/verify: `ok SUBJECT` or `refused`.

import { createInterface } from "node:readline";

const { verify } = await import(process.argv[2]);
for await (const token of createInterface({ input: process.stdin })) {
  console.log(
    await verify(token).then(
      ({ sub }) => `ok ${sub}`,
      (error) => `refused ${error.message.split("\n")[0]}`,
    ),
  );
}
