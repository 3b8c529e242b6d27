// The yardstick: node-ssh connects to every host, 64 at a time, and runs one command there. Nothing is checked, shown
// or kept. JavaScript, so that no loader is counted against it. Arguments: port, key file, command, then the hosts.
import { readFileSync } from "node:fs";
import { NodeSSH } from "node-ssh";

const [port, keyFile, command, ...hosts] = process.argv.slice(2);
const privateKey = readFileSync(keyFile, "utf8");
const queue = [...hosts];

async function worker() {
  for (let host = queue.shift(); host !== undefined; host = queue.shift()) {
    const ssh = new NodeSSH();
    await ssh.connect({ host, port: Number(port), username: "root", privateKey, readyTimeout: 60_000 });
    const { code, stderr } = await ssh.execCommand(command);
    if (code !== 0) throw new Error(`${host}: ${stderr}`);
    ssh.dispose();
  }
}

await Promise.all(Array.from({ length: 64 }, worker));
