// Edits the server's configuration while clients are connected.

import { readFile, rename, writeFile } from "node:fs/promises";

const file = `${process.env.TEST_FOLDER}/config.yaml`;

/// Grants `client` one more tool as long as `body` runs.
export async function granted(tool, body) {
  const before = await readFile(file, "utf8");
  await replace(before.replace('["core.sum"]', `["core.sum", "${tool}"]`));
  try {
    return await body();
  } finally {
    await replace(before);
  }
}

async function replace(text) {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}
