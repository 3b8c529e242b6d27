import { CausewayError } from "../errors.ts";
import type { Fleet } from "../playbook/fleet.ts";
import { batchesOf, parseSerial } from "./batches.ts";
import type { HostRun } from "./host-run.ts";
import type { RunOptions } from "./options.ts";
import { type AnyPlay, inPlay, type Prepared } from "./prepare.ts";

/** How a play goes over its hosts. */
export interface Spread {
  /** The sizes of its batches; undefined where it is done on all hosts at once, and nobody has to be asked. */
  sizes?: readonly (number | string)[] | undefined;
  /** Whether it can be done on some of its hosts at a time: then a gate stands between them. */
  isCut: boolean;
  /** Whether a host that cannot be reached has a place in the batches, too, or only those that take part. */
  among: "places" | "taking";
  /** What a person should know of it. */
  said?: string;
}

const allAtOnce = ["100%"];

/** The play knows what can be done in batches; then the command line says how large they are, then the play. */
export function spreadOf(play: AnyPlay, { rolling }: RunOptions, fleet: Fleet): Spread {
  const serial = rolling?.serial;
  const whole: Spread = {
    sizes: rolling?.ask ? allAtOnce : undefined,
    isCut: false,
    among: play.runOnce ? "taking" : "places",
  };
  const says = (how: string, why: string) => ({ said: `“${play.title}” is done ${how}: ${why}` });
  const change = play.indivisible?.(fleet);
  if (change !== undefined) return { ...whole, ...says("on all hosts at once", change) };
  const atOnce = typeof play.atOnce === "function" ? play.atOnce(fleet) : play.atOnce;
  if (atOnce !== undefined)
    return { ...whole, ...(serial === undefined ? {} : says("on all hosts at once", atOnce)) };
  if (play.runOnce) return whole;
  if (play.oneByOne !== undefined) {
    const said = serial === undefined ? {} : says("on one host after the other", play.oneByOne);
    return { sizes: [1], isCut: true, among: "taking", ...said };
  }
  return { sizes: sizesOf(play, rolling), isCut: true, among: "places" };
}

function sizesOf(play: AnyPlay, rolling: RunOptions["rolling"]): Spread["sizes"] {
  if (rolling?.serial !== undefined) return parseSerial(rolling.serial, "--serial");
  if (play.serial !== undefined) return parseSerial(play.serial, `play “${play.title}”: serial`);
  return rolling?.oneBatch ? allAtOnce : undefined;
}

/** The plays that `--serial`, or hosts that do not take part, would part although their hosts would not understand each other half-way. */
export function partedPlays(
  { playbook, rolling }: RunOptions,
  hosts: readonly HostRun[],
  { fleet, hostsOf }: Prepared,
): CausewayError[] {
  return playbook.plays.flatMap((play: AnyPlay) => {
    const change = play.indivisible?.(fleet);
    if (change === undefined) return [];
    const here = inPlay(play, hosts, hostsOf);
    const away = [...(hostsOf.get(play) ?? [])].filter((name) => !here.some((host) => host.name === name));
    const { serial = "100%" } = rolling ?? {};
    if (away.length > 0) return [partedByLimit(play, change, away)];
    return batchesOf(here, parseSerial(serial, "--serial")).length < 2
      ? []
      : [partedBySerial(play, change, serial)];
  });
}

const understood = "a change that hosts which have it and hosts which do not have it yet both understand";

function partedBySerial({ title }: AnyPlay, change: string, serial: string): CausewayError {
  return new CausewayError("host", `“${title}” cannot be done in batches`, {
    found: `--serial ${serial}, and ${change}`,
    expected: understood,
    advice: "run without --serial: then all hosts change at once",
  });
}

function partedByLimit({ title }: AnyPlay, change: string, away: readonly string[]): CausewayError {
  return new CausewayError("host", `“${title}” has to be done on all hosts in one run`, {
    found: `${change}; not in this run, or unreachable: ${away.join(", ")}`,
    expected: understood,
    advice: "run without --limit; remove a host that no longer exists from the inventory",
  });
}
