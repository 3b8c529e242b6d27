import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";

/** What a security key is asked about: a token signs for an application only, `ssh:` for OpenSSH. */
const [type, application] = ["sk-ssh-ed25519@openssh.com", "ssh:"];

const text = (value: string | Uint8Array) => {
  const bytes = Buffer.from(value);
  return Buffer.concat([number(bytes.length), bytes]);
};
const number = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();

/** A security key as an agent holds it: its token is touched at once. Its public key is in a file, `FILE.pub` (PROTOCOL.u2f, PROTOCOL.agent). */
export function tokenAgent(socket: string, file: string): Promise<{ close(): void; signed(): number }> {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const point = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  const blob = Buffer.concat([text(type), text(point), text(application)]);
  writeFileSync(`${file}.pub`, `${type} ${blob.toString("base64")} token\n`);
  let signed = 0;
  const signature = (data: Buffer) => {
    signed += 1;
    // The user was there (1), and a count of the token's own.
    const flags = Buffer.concat([Buffer.from([1]), number(signed)]);
    const message = Buffer.concat([sha256(Buffer.from(application)), flags, sha256(data)]);
    return Buffer.concat([text(type), text(sign(null, message, privateKey)), flags]);
  };
  const answer = (request: Buffer): Buffer => {
    if (request[0] === 11) return Buffer.concat([Buffer.from([12]), number(1), text(blob), text("token")]);
    if (request[0] !== 13) return Buffer.from([5]);
    const at = 5 + request.readUInt32BE(1);
    const data = request.subarray(at + 4, at + 4 + request.readUInt32BE(at));
    return Buffer.concat([Buffer.from([14]), text(signature(data))]);
  };
  const server = createServer((connection) => {
    let heard = Buffer.alloc(0);
    connection.on("error", () => {});
    connection.on("data", (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk]);
      while (heard.length >= 4 && heard.length >= 4 + heard.readUInt32BE(0)) {
        const end = 4 + heard.readUInt32BE(0);
        connection.write(text(answer(heard.subarray(4, end))));
        heard = heard.subarray(end);
      }
    });
  });
  return new Promise((resolve) => {
    server.listen(socket, () => resolve({ close: () => server.close(), signed: () => signed }));
  });
}
