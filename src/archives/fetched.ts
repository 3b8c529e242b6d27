import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import { cacheFolder } from "../cache-folder.mjs";
import { CausewayError } from "../errors.ts";
import { here } from "../host/here.ts";
import { packageDir } from "../package-dir.ts";
import type { Archive, ArchiveMember } from "./archive.ts";

/** By checksum and name: all hosts of a run share one download. */
const fetched = new Map<string, Promise<string>>();

/**
 * The path of a file out of an archive on this machine, fetched and unpacked when it is first asked for. Archives are kept
 * by their checksum below `archives` in the cache, where one may also be put by hand.
 */
export function fetchedMember({ archive, member }: ArchiveMember, interrupted: AbortSignal): Promise<string> {
  const key = `${archive.sha256} ${member}`;
  const known = fetched.get(key) ?? fetchAndUnpack(archive, member, interrupted);
  fetched.set(key, known);
  return known;
}

async function fetchAndUnpack(archive: Archive, member: string, interrupted: AbortSignal): Promise<string> {
  const known = fetched.get(archive.sha256) ?? download(archive, interrupted);
  fetched.set(archive.sha256, known);
  const file = await known;
  const target = join(dirname(file), `file-${member.replaceAll("/", "_")}`);
  const content = await contentOf(file, member).catch((error: Error & { stderr?: string }) => {
    if (error instanceof CausewayError) throw error;
    throw new CausewayError("host", "the controller cannot unpack an archive", {
      found: `${file}, from ${archive.url}`,
      output: error.stderr || error.message,
    });
  });
  await whole(target, (temporary) => writeFile(temporary, content));
  return target;
}

async function download({ url, sha256 }: Archive, interrupted: AbortSignal): Promise<string> {
  const file = join(cacheFolder(packageDir), "archives", sha256, "archive");
  if ((await sumOf(file)) === sha256) return file;
  await mkdir(dirname(file), { recursive: true });
  await whole(file, async (temporary) => {
    await get(url, temporary, AbortSignal.any([interrupted, AbortSignal.timeout(600_000)])).catch((error) => {
      throw new CausewayError("host", "the controller cannot download an archive", {
        found: `${url}: ${causeOf(error)}`,
        command: `curl -fL -o ${file} ${url}`,
        advice:
          "download it on a machine with internet access, and copy it to that path; nothing was changed",
      });
    });
    const found = await sumOf(temporary);
    if (found === sha256) return;
    throw new CausewayError("host", "checksum mismatch", {
      found: `sha256 ${found}, ${(await stat(temporary)).size} bytes from ${url}`,
      expected: `sha256 ${sha256}`,
      advice: "correct the URL or the checksum; nothing was changed",
    });
  });
  return file;
}

async function get(url: string, file: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(url, { signal });
  if (!response.ok || !response.body) throw new Error(`${response.status} ${response.statusText}`);
  await pipeline(Readable.fromWeb(response.body as ReadableStream), createWriteStream(file));
}

/** `fetch failed` says nothing; its cause does. */
function causeOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? cause.message || String((cause as NodeJS.ErrnoException).code) : message;
}

async function sumOf(file: string): Promise<string | undefined> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  } catch {
    return undefined;
  }
  return hash.digest("hex");
}

/** A file is there whole or not at all, also for another run at the same time. */
async function whole(file: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${file}.${process.pid}`;
  try {
    await write(temporary);
    await rename(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** The content of one file of an archive. A file that is a program itself (ELF, or a script) is its own only member. */
async function contentOf(file: string, member: string): Promise<Uint8Array> {
  const bytes = await readFile(file);
  switch (bytes.toString("hex", 0, 2)) {
    case "1f8b": {
      const $ = await here();
      const names = await $`tar -tzf ${file}`.lines();
      return $`tar -xzOf ${file} ${theOne(names, member)}`.buffer();
    }
    case "504b":
      return unzipped(bytes, member);
    case "7f45":
    case "2321":
      return bytes;
    default:
      throw new CausewayError("host", "the archive is neither a .tar.gz nor a .zip nor a program", {
        found: file,
      });
  }
}

async function unzipped(bytes: Uint8Array, member: string): Promise<Uint8Array> {
  const { unzipSync } = await import("fflate");
  const names: string[] = [];
  unzipSync(bytes, { filter: ({ name }) => names.push(name) < 0 });
  const one = theOne(names, member);
  return unzipSync(bytes, { filter: ({ name }) => name === one })[one] ?? new Uint8Array();
}

/** The one file of that path, or whose path ends so. */
function theOne(names: readonly string[], member: string): string {
  const hits = names.filter((name) => name === member || name.endsWith(`/${member}`));
  const [one] = hits;
  if (one !== undefined && hits.length === 1) return one;
  throw new CausewayError("host", `the archive holds ${one ? "more than one" : "no"} file named ${member}`, {
    found: (one ? hits : names).slice(0, 20).join("\n"),
    expected: `one file named ${member}`,
  });
}
