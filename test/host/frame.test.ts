import { expect, test, vi } from "vitest";
import { FrameCutter, type FrameOptions } from "../../src/host/frame.ts";

const cutterFor = (onFrame: FrameOptions["onFrame"], over: Partial<FrameOptions> = {}) =>
  new FrameCutter({ onFrame, limit: 1000, onExcess: () => {}, ...over });

const stream = Buffer.from("first\nn.1 0\n\nn.2 3\nlast\nn.3 0\n");

/** The answers of three commands, whatever way the bytes are cut; each nonce is expected once the one before is there. */
function cut(sizes: readonly number[]): [string, number][] {
  const frames: [string, number][] = [];
  const cutter = cutterFor((output, code) => {
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
  const cutter = cutterFor((output) => void frames.push(output.toString()));
  cutter.expect("n.1");
  cutter.push(stream);
  cutter.expect("n.2");
  cutter.expect("n.3");
  expect(frames).toEqual(["first", "", "last"]);
});

test("an output beyond the limit is dropped and told once; the one after it is whole", () => {
  const frames: string[] = [];
  let streamed = 0;
  const onExcess = vi.fn();
  const cutter = cutterFor((output) => void frames.push(output.toString()), {
    limit: 100,
    onExcess,
    onData: (chunk) => {
      streamed += chunk.length;
    },
  });
  cutter.expect("n.1");
  for (let i = 0; i < 50; i += 1) cutter.push(Buffer.from("0123456789"));
  expect(streamed).toBe(100);
  expect(cutter.pending).toBe("");
  cutter.push(Buffer.from("\nn.1 0\nshort"));
  cutter.expect("n.2");
  cutter.push(Buffer.from("\nn.2 0\n"));
  expect(frames).toEqual(["", "short"]);
  expect(onExcess).toHaveBeenCalledOnce();
});

test("what nobody asked for is bounded, too", () => {
  const onExcess = vi.fn();
  const cutter = cutterFor(() => {}, { limit: 100, onExcess });
  for (let i = 0; i < 11; i += 1) cutter.push(Buffer.from("0123456789"));
  expect(onExcess).toHaveBeenCalledOnce();
  expect(cutter.pending.length).toBe(100);
});

test("where it is cut, the beginning of a longer output is kept, and what came behind it is counted", () => {
  for (const size of [1, 7, 50, 99, 101, 1000]) {
    const frames: [string, number][] = [];
    const onExcess = vi.fn();
    const cutter = cutterFor((output, _code, left) => void frames.push([output.toString(), left]), {
      limit: 100,
      onExcess,
      cut: true,
    });
    cutter.expect("n.1");
    const said = Buffer.from(`${"0123456789".repeat(50)}\nn.1 0\nshort`);
    for (let at = 0; at < said.length; at += size) cutter.push(said.subarray(at, at + size));
    cutter.expect("n.2");
    cutter.push(Buffer.from("\nn.2 0\n"));
    expect(frames).toEqual([
      ["0123456789".repeat(10), 400],
      ["short", 0],
    ]);
    expect(onExcess).not.toHaveBeenCalled();
  }
});
