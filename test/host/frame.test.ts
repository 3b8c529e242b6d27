import { expect, test } from "vitest";
import { FrameCutter } from "../../src/host/frame.ts";

const stream = Buffer.from("first\nn.1 0\n\nn.2 3\nlast\nn.3 0\n");

/** The answers of three commands, whatever way the bytes are cut; each nonce is expected once the one before is there. */
function cut(sizes: readonly number[]): [string, number][] {
  const frames: [string, number][] = [];
  const cutter = new FrameCutter((output, code) => {
    frames.push([output.toString(), code]);
    if (frames.length < 3) cutter.expect(`n.${frames.length + 1}`);
  });
  cutter.expect("n.1");
  let at = 0;
  for (const size of sizes) {
    cutter.push(stream.subarray(at, at + size));
    at += size;
  }
  cutter.push(stream.subarray(at));
  return frames;
}

const whole = [
  ["first", 0],
  ["", 3],
  ["last", 0],
];

test.each(Array.from({ length: stream.length }, (_, i) => i))("cut after byte %i", (size) => {
  expect(cut([size])).toEqual(whole);
});

test("byte by byte", () => {
  expect(cut(Array.from({ length: stream.length }, () => 1))).toEqual(whole);
});

test("what comes before it is expected is kept: the other stream of the command before can be late", () => {
  const frames: string[] = [];
  const cutter = new FrameCutter((output) => frames.push(output.toString()));
  cutter.expect("n.1");
  cutter.push(stream);
  cutter.expect("n.2");
  cutter.expect("n.3");
  expect(frames).toEqual(["first", "", "last"]);
});
