import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { inSources } from "../../src/cli/source-places.ts";

test("a stack of the bundle names the places in the sources; what has no map stays as it is", async () => {
  const folder = mkdtempSync(join(tmpdir(), "causeway-places-"));
  try {
    const [source, bundled] = [join(folder, "a.ts"), join(folder, "out.mjs")];
    writeFileSync(
      source,
      "\n// Nothing here.\nexport function fails(): never {\n  throw new Error('x');\n}\n",
    );
    await build({
      entryPoints: [source],
      outfile: bundled,
      bundle: true,
      format: "esm",
      minifyWhitespace: true,
      sourcemap: "external",
    });
    const column = readFileSync(bundled, "utf8").indexOf("throw") + 1;
    const at = (file: string, place: string) => `Error: x\n    at fails (${pathToFileURL(file)}:${place})`;
    expect(inSources(at(bundled, `1:${column}`))).toBe(`Error: x\n    at fails (${source}:4:3)`);
    expect(inSources(at(source, "4:3"))).toBe(at(source, "4:3"));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
