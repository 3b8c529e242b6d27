/** One frame of a capture; `bytes` may be shorter than it was on the wire. */
export interface Frame {
  /** Microseconds since 1970. */
  at: number;
  /** How long it was on the wire, in bytes. */
  length: number;
  bytes: Buffer;
}

const headerLength = 24;
const recordLength = 16;
const ethernet = 1;
/** The first four bytes as this machine's own order reads them, and how many of a second its times count. */
const magics: ReadonlyMap<number, number> = new Map([
  [0xa1b2c3d4, 1e6],
  [0xa1b23c4d, 1e9],
]);

/**
 * Takes apart what `tcpdump -w` writes of an Ethernet device, in either byte order, with micro- or nanoseconds. A record
 * that is cut off, as by an end in the middle of it, ends it. Undefined for anything else.
 * The format: https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/
 */
export function readPcap(file: Buffer): Frame[] | undefined {
  if (file.length < headerLength) return undefined;
  const little = magics.has(file.readUInt32LE(0));
  const number = (at: number) => (little ? file.readUInt32LE(at) : file.readUInt32BE(at));
  const ticks = magics.get(number(0));
  if (ticks === undefined || (number(20) & 0xffff) !== ethernet) return undefined;
  const frames: Frame[] = [];
  for (let at = headerLength; at + recordLength <= file.length; ) {
    const end = at + recordLength + number(at + 8);
    if (end > file.length) break;
    frames.push({
      at: number(at) * 1e6 + Math.floor((number(at + 4) * 1e6) / ticks),
      length: number(at + 12),
      bytes: file.subarray(at + recordLength, end),
    });
    at = end;
  }
  return frames;
}

/** The same frames as a file that tcpdump and Wireshark read. */
export function writePcap(frames: readonly Frame[]): Buffer {
  const header = Buffer.alloc(headerLength);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(0x40000, 16);
  header.writeUInt32LE(ethernet, 20);
  const records = frames.flatMap(({ at, length, bytes }) => {
    const record = Buffer.alloc(recordLength);
    record.writeUInt32LE(Math.floor(at / 1e6), 0);
    record.writeUInt32LE(at % 1e6, 4);
    record.writeUInt32LE(bytes.length, 8);
    record.writeUInt32LE(length, 12);
    return [record, bytes];
  });
  return Buffer.concat([header, ...records]);
}
