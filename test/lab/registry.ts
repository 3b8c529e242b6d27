import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { gzipSync } from "node:zlib";

/**
 * A registry as Docker pulls from it, with one image that this very program packs: a layer that is a tar on its standard input.
 * It is started in a host's network (nsenter), where 127.0.0.1 is that host's own, and Docker asks for no certificate.
 * `node --import tsx registry.ts PORT` prints what it is asked for.
 */
const digest = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

async function main(port: number): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  const tar = Buffer.concat(chunks);
  const layer = gzipSync(tar);
  const config = json({
    architecture: "amd64",
    os: "linux",
    config: { Cmd: ["sh"] },
    rootfs: { type: "layers", diff_ids: [digest(tar)] },
  });
  const docker = "application/vnd.docker";
  const manifestType = `${docker}.distribution.manifest.v2+json`;
  const part = (mediaType: string, bytes: Buffer) => ({
    mediaType,
    size: bytes.length,
    digest: digest(bytes),
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: manifestType,
    config: part(`${docker}.container.image.v1+json`, config),
    layers: [part(`${docker}.image.rootfs.diff.tar.gzip`, layer)],
  });
  const blobs = new Map([config, layer].map((bytes) => [digest(bytes), bytes]));
  const server = createServer(({ method, url = "" }, response) => {
    process.stdout.write(`${method} ${url}\n`);
    const send = (bytes: Buffer, type = "application/octet-stream") => {
      const head = {
        "content-type": type,
        "content-length": bytes.length,
        "docker-content-digest": digest(bytes),
      };
      response.writeHead(200, head).end(method === "HEAD" ? undefined : bytes);
    };
    const [, image, kind, name = ""] = /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(url) ?? [];
    const blob = blobs.get(name);
    if (url === "/v2/") send(json({}), "application/json");
    else if (image === "app" && kind === "manifests") send(manifest, manifestType);
    else if (image === "app" && blob) send(blob);
    else
      response
        .writeHead(404, { "content-type": "application/json" })
        .end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}');
  });
  server.listen(port, "127.0.0.1", () => process.stdout.write("ready\n"));
}

await main(Number(process.argv[2]));
