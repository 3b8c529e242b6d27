import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import ts from "typescript";
import { packageDir } from "../../src/package-dir.ts";

/** Where a page's examples stand, as far as the compiler knows: beside the real tasks and playbooks. */
const shelf = join(packageDir, ".examples");

/** One example of a page, under the path that its first line names: `// tasks/motd.ts`. */
export interface Example {
  page: string;
  line: number;
  path: string;
  text: string;
}

/** README and everything in docs/. */
export function pages(): string[] {
  const inDocs = readdirSync(join(packageDir, "docs"), { recursive: true, encoding: "utf8" });
  return [
    "README.md",
    "README.zh-CN.md",
    ...inDocs.filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`),
  ];
}

/** The TypeScript examples of a page; the lines of each are counted as the page counts them. */
export function examplesOf(page: string): Example[] {
  const text = readFileSync(join(packageDir, page), "utf8");
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((found, index) => {
    const [, code = ""] = found;
    const line = text.slice(0, found.index).split("\n").length + 1;
    const path = /^\/\/ (\S+\.ts)\n/.exec(code)?.[1] ?? `playbooks/example-${index + 1}.ts`;
    return { page, line, path, text: "\n".repeat(line - 1) + code };
  });
}

/** What the compiler has to say about examples, in the places where the pages have them. */
export function compileErrors(examples: readonly Example[]): string[] {
  const virtual = new Map(examples.map((e) => [join(folderOf(e.page), e.path), e]));
  const options = compilerOptions();
  const host = overlay(ts.createCompilerHost(options), virtual);
  const program = ts.createProgram([...virtual.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map((diagnostic) => {
    const { file, start = 0 } = diagnostic;
    const line = file ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
    const where = file ? (virtual.get(file.fileName)?.page ?? relative(packageDir, file.fileName)) : "";
    return `${where}:${line}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n")}`;
  });
}

const folderOf = (page: string) => join(shelf, page.replaceAll(/[/.]/g, "-"));

function compilerOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(packageDir, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, packageDir);
  const doors = { causeway: ["src/index.ts"], "causeway/tasks": ["tasks/index.ts"] };
  const paths = Object.entries(doors).map(([door, files]) => [door, files.map((f) => join(packageDir, f))]);
  return { ...options, paths: Object.fromEntries(paths) };
}

/** The files on the disk, with the examples put among them: what a page does not show is the repository's own. */
function overlay(host: ts.CompilerHost, virtual: ReadonlyMap<string, Example>): ts.CompilerHost {
  const real = (path: string) => {
    if (!path.startsWith(`${shelf}/`)) return path;
    return join(packageDir, ...relative(shelf, path).split("/").slice(1));
  };
  const { getSourceFile } = host;
  return {
    ...host,
    directoryExists: () => true,
    realpath: (path) => path,
    fileExists: (path) => virtual.has(path) || host.fileExists(real(path)),
    readFile: (path) => virtual.get(path)?.text ?? host.readFile(real(path)),
    getSourceFile: (path, language, ...rest) => {
      const example = virtual.get(path);
      if (example) return ts.createSourceFile(path, example.text, language);
      const text = path.startsWith(`${shelf}/`) ? host.readFile(real(path)) : undefined;
      if (text !== undefined) return ts.createSourceFile(path, text, language);
      return getSourceFile.call(host, path, language, ...rest);
    },
  };
}
