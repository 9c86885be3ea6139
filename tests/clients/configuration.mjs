// Edits the server's configuration while clients are connected.

import { readFile, rename, writeFile } from "node:fs/promises";

const file = `${process.env.TEST_FOLDER}/config.yaml`;

// Grants `client` one more tool; gives what takes it back.
export async function grant(tool) {
  const before = await readFile(file, "utf8");
  await replace(before.replace('["core.sum"]', `["core.sum", "${tool}"]`));
  return () => replace(before);
}

// Grants `client` one more tool as long as `body` runs.
export async function granted(tool, body) {
  const takeBack = await grant(tool);
  try {
    return await body();
  } finally {
    await takeBack();
  }
}

async function replace(text) {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}
