import { existsSync, readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** A stack whose places in the bundle are those in the sources, as the maps beside the bundle tell. */
export function inSources(stack: string): string {
  return stack.replaceAll(
    /(file:\/\/\S+?):(\d+):(\d+)/g,
    (there, url: string, line: string, column: string) => {
      const file = fileURLToPath(url);
      if (!existsSync(`${file}.map`)) return there;
      const map = new SourceMap(JSON.parse(readFileSync(`${file}.map`, "utf8")));
      const found = map.findEntry(Number(line) - 1, Number(column) - 1);
      if (!("originalSource" in found)) return there;
      const source = resolve(dirname(file), found.originalSource);
      return `${source}:${found.originalLine + 1}:${found.originalColumn + 1}`;
    },
  );
}
