import { file } from "./file.ts";
import { jsonKeys } from "./json.ts";
import { link, noLink, noRoute, noRule, route, rule, sysctl } from "./network-state.ts";
import { pushedFile } from "./pushed-file.ts";
import {
  dockerNetwork,
  folder,
  leaveNetwork,
  noDockerNetwork,
  packages,
  returnToNetwork,
  run,
  systemUser,
  unit,
} from "./software.ts";
import { unpacked, unpackedNote } from "./unpacked.ts";

/** The kinds of step. The set is closed: each knows how to save and restore what it touches. */
export const step = {
  file,
  pushedFile,
  unpacked,
  unpackedNote,
  jsonKeys,
  packages,
  systemUser,
  folder,
  unit,
  route,
  noRoute,
  rule,
  noRule,
  sysctl,
  link,
  noLink,
  dockerNetwork,
  noDockerNetwork,
  leaveNetwork,
  returnToNetwork,
  run,
};
